"""The sandbox's operations, a module for each resource."""
