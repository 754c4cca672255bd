"""The department-routing table (分办规则表): facts, rules, the directory of agencies, and the decision. Pure."""
