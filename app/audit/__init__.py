"""The audit: a signed root over what changed, each day; proofs against it, and the walk that finds what was tampered with."""
