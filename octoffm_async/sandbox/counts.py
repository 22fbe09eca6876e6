"""Numbers of the sandbox's own rows: the sandbox made each row, so no number is absent."""


def required_number(number: int | None) -> int:
    """Return a number of a row that the sandbox made.

    The contract lets every number be absent, because a server may leave any out. A row of the sandbox has all of them
    from the start; a missing number is a defect of the sandbox, never a zero.
    """
    assert number is not None, "rows of the sandbox hold all their numbers"  # noqa: S101  (an invariant)
    return number
