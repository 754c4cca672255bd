"""Who must not see it does not; by name of what goes wrong elsewhere (OWASP API Security Top 10, 2023)."""
