"""Checks of wire names and paths in a contract file."""

from typing import Any

from .problems import KeyPath, MistakeCollector

_LONGEST = 200
_DEEPEST = 8


def is_wire_name(said: Any) -> bool:
    """Return True for a text of 1 to 200 printable characters without space at its ends."""
    return isinstance(said, str) and 0 < len(said) <= _LONGEST and said.isprintable() and said == said.strip()


def wire_path(
    problems: MistakeCollector, key: KeyPath, said: Any, label: str, *, may_spread: bool = False
) -> tuple[str, ...] | None:
    """Split a path such as ``a.b`` into names (empty for ``.``); return None and report a mistake if it is invalid."""
    if not isinstance(said, str):
        problems.add(key, f"the name of {label} is not a text")
    elif said == "." and may_spread:
        return ()
    elif said == "":
        problems.add(key, f"the name of {label} is empty")
    elif not all(map(is_wire_name, steps := tuple(said.split(".")))):
        problems.add(
            key, f"the name of {label} has an empty part, or characters that cannot be printed, or is too long"
        )
    elif len(steps) > _DEEPEST:
        problems.add(key, f"the name of {label} is a path of more than {_DEEPEST} names")
    else:
        return steps
    return None
