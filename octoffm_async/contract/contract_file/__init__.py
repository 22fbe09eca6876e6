"""The contract file: how an API spells what the package calls, and the translation both ways."""
