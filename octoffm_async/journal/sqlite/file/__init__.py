"""The file of a journal: its lock, its place and state on the disk, and copies of it."""
