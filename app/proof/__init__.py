"""The two-sided proof of a handoff: what was sent, what came back, what happened, and whether all of it verifies."""
