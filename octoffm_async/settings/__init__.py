"""The settings of a client: their types, and the places from which they are read. ``Config`` holds them all."""
