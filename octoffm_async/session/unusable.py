"""The reason why an answer cannot be used, before it is known which call it ends."""


class UnusableError(Exception):
    """Why an answer cannot be used."""
