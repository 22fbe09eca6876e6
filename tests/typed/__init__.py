"""Tests that mypy and pyright check too: the types that a user's program sees."""
