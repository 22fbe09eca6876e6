"""Bulk operations: workers over one shared iterator, one outcome per item, memory independent of the input's size."""
