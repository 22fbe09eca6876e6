"""Scheduled events: functions of this package with registered names, so that a state file can store them.

A pending event is ``partial(function, …)`` of a function marked with :func:`scheduled_event`. Its arguments are the
world, an account, text and numbers; the world calls it with the due time as one more argument.
"""

from collections.abc import Callable
from typing import Any, TypeVar

FunctionT = TypeVar("FunctionT", bound=Callable[..., None])

SCHEDULED_EVENTS: dict[str, Callable[..., None]] = {}
"""All functions that may be scheduled, by their names in state files."""
_NAMES: dict[Callable[..., Any], str] = {}


def scheduled_event(name: str) -> Callable[[FunctionT], FunctionT]:
    """Register a function for scheduling under ``name``; state files contain the name, so it must not change."""

    def mark(function: FunctionT) -> FunctionT:
        SCHEDULED_EVENTS[name] = function
        _NAMES[function] = name
        return function

    return mark


def event_name(function: Callable[..., Any]) -> str:
    """Return the name under which a function is registered.

    Raises:
        TypeError: the function is not registered, so a state file cannot store it.
    """
    try:
        return _NAMES[function]
    except KeyError:
        raise TypeError(f"{function.__qualname__} cannot be stored: it is not marked with @scheduled_event") from None
