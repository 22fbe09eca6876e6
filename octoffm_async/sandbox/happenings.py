"""What may be scheduled: functions of this package that are known by name, so that a state file can hold them.

A pending event is ``partial(function, …)`` of a function marked with :func:`happening`. Its arguments are the world, an
account, text and numbers; when it happens it gets the moment as one argument more.
"""

from collections.abc import Callable
from typing import Any, TypeVar

FunctionT = TypeVar("FunctionT", bound=Callable[..., None])

HAPPENINGS: dict[str, Callable[..., None]] = {}
"""All functions that may be scheduled, by the names under which state files keep them."""
_NAMES: dict[Callable[..., Any], str] = {}


def happening(name: str) -> Callable[[FunctionT], FunctionT]:
    """Let a function be scheduled and be kept in state files under ``name``, which must not change."""

    def mark(function: FunctionT) -> FunctionT:
        HAPPENINGS[name] = function
        _NAMES[function] = name
        return function

    return mark


def name_of(function: Callable[..., Any]) -> str:
    """Return the name under which a function is kept.

    Raises:
        TypeError: it is not marked, and so cannot be kept.
    """
    try:
        return _NAMES[function]
    except KeyError:
        raise TypeError(f"{function.__qualname__} cannot be kept: it is not marked with @happening") from None
