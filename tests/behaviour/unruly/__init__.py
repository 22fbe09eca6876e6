"""A server whose wire misbehaves in every way that is known, while its API stays honest."""
