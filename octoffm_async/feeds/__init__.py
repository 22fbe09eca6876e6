"""Lists read by time windows: changes as they come, and whole lists in parallel."""
