"""Delivery (送达): at least once, signed, until the endpoint answers 2xx or three days have passed."""
