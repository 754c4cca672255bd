"""Who would break in, and does not."""
