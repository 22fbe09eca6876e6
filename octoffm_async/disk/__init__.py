"""Data too large for memory, kept on disk while a program needs it."""
