"""One Window (一门受理、协同办理): taken in once, routed, handed off, delivered, answered, tracked."""

__version__ = "0.1.0"
