"""Measurements of this client side by side with its alternatives. ``python -m benchmarks --help``."""
