"""The contents of the sandbox, and how they change in time."""
