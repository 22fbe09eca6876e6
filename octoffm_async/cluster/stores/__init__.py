"""Limits and tokens that many machines share through PostgreSQL or Redis."""
