"""Requests checked before they are sent, filters of lists, and fingerprints of what was ordered."""
