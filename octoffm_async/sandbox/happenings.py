"""What may be scheduled: functions of this package that are known by name, so that a state file can hold them.

A pending event is ``partial(function, …)`` of a function marked with :func:`happening`. Its arguments are the world, an
account, text and numbers; when it happens it gets the moment as one argument more.
"""

from collections.abc import Callable
from typing import Any, TypeVar

FunctionT = TypeVar("FunctionT", bound=Callable[..., None])

HAPPENINGS: dict[str, Callable[..., None]] = {}
"""All functions that may be scheduled, by ``module.name``."""


def happening(function: FunctionT) -> FunctionT:
    """Let a function of a module be scheduled and be kept in state files under its name, which must not change."""
    HAPPENINGS[name_of(function)] = function
    return function


def name_of(function: Callable[..., Any]) -> str:
    """The name under which a function is kept: its module's last part, and its own."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
