"""MANY calls: workers over one shared iterator, one outcome an item, memory that does not grow with the input."""
