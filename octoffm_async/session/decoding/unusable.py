"""The reason why a response cannot be used, raised where the call that it ends is not yet known."""


class UnusableError(Exception):
    """An error: a response cannot be used, for the reason in its text."""
