"""The journal in PostgreSQL, which many machines write."""
