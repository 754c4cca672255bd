"""The conformance kit: numbered cases played against a department's endpoint and against its callbacks."""
