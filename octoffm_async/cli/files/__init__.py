"""Commands that take a file of items: what is common to creations and look-ups."""
