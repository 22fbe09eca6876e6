"""Parting the items of a chunk that may be handled from those that have their outcome already."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..errors import ValidationError
from .outcomes import Skipped, refused_locally

if TYPE_CHECKING:
    from .job import Job
    from .outcomes import Outcome
    from .seen import SeenKeys

T = TypeVar("T")


def sort_out(chunk: list[T], job: Job[T], seen: SeenKeys) -> tuple[list[T], list[Outcome]]:
    """Those of a chunk that may be right and were not there before, and the outcomes of the others."""
    right: list[T] = []
    outcomes: list[Outcome] = []
    check, key_of = job.check, job.key
    for item in chunk:
        try:
            check(item)
        except ValidationError as error:
            outcomes.append(refused_locally(error))
        else:
            right.append(item)
    keys = list(map(key_of, right))
    new = list(map(seen.add, keys))
    if all(new):
        return right, outcomes
    outcomes += [seen_before(key) for key, is_new in zip(keys, new, strict=True) if not is_new]
    return [item for item, is_new in zip(right, new, strict=True) if is_new], outcomes


def seen_before(key: str) -> Skipped:
    """The outcome of an item whose key came before."""
    return Skipped(key=key, reason="the same key came before in this input")
