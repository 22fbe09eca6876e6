"""All lies of the adversary, by name."""

from __future__ import annotations

from . import answers as answer_lies
from . import clocks as clock_lies
from . import lists as list_lies
from . import pages as page_lies
from . import references as reference_lies
from .lie import Lie

LIES: dict[str, Lie] = {
    each.name: each for part in (reference_lies, page_lies, list_lies, clock_lies, answer_lies) for each in part.LIES
}
PROVABLE = [each for each in LIES.values() if each.verdict != "unprovable"]


def named(*names: str) -> list[Lie]:
    """The lies of these names."""
    return [LIES[name] for name in names]
