"""Times of other libraries, such as pandas' ``Timestamp``: subclasses of ``datetime`` that no encoder knows."""

from datetime import datetime


def plain_time(moment: datetime) -> datetime:
    """Return the same time as a ``datetime`` of the standard library.

    Raises:
        ValueError: It is no time at all, as pandas' ``NaT``.
    """
    if type(moment) is datetime:
        return moment
    if moment != moment:  # noqa: PLR0124  (NaT, which alone does not equal itself)
        raise ValueError("is no time (NaT)")
    return datetime.combine(moment.date(), moment.time(), moment.tzinfo)
