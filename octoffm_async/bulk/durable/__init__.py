"""Runs and single creations through a journal: what is pending, looked up, followed and resumed."""
