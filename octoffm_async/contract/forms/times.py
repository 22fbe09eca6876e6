"""Times of other libraries, such as pandas' ``Timestamp``: subclasses of ``datetime`` that no encoder knows."""

from contextlib import suppress
from datetime import datetime

import msgspec


def plain_time(moment: datetime) -> datetime:
    """Return the same time as a ``datetime`` of the standard library.

    Raises:
        ValueError: It is no time at all, as pandas' ``NaT``.
    """
    if type(moment) is datetime:
        return moment
    if moment != moment:  # noqa: PLR0124  (NaT, which alone does not equal itself)
        raise ValueError("is no time (NaT)")
    return datetime.combine(moment.date(), moment.time().replace(fold=moment.fold), moment.tzinfo)


def plain_times(struct: msgspec.Struct) -> dict[str, datetime]:
    """Return the times of a struct's fields that are not of the standard library, as plain ones, by name."""
    found: dict[str, datetime] = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, datetime) and type(value) is not datetime:
            with suppress(ValueError):  # no time: the checks of the struct say so
                found[name] = plain_time(value)
    return found
