"""The demonstration: the real service, and simulated departments beside it, over real HTTP on loopback."""
