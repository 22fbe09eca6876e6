"""Separation of a chunk's items: those to handle, and those that already have an outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..errors import ValidationError
from .journaling import conflict_within, refused_conflict
from .outcomes import Refused, Skipped, refused_locally

if TYPE_CHECKING:
    from .job import Job
    from .outcomes import Outcome
    from .seen import SeenKeys

T = TypeVar("T")


def sort_out(chunk: list[T], job: Job[T], seen: SeenKeys) -> tuple[list[T], list[bytes], list[Outcome]]:
    """Return a chunk's valid new items, their fingerprints, and the outcomes of the others."""
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
    prints = job.fingerprints(right)
    new = list(map(seen.add, keys, prints))
    if all(new):
        return right, prints, outcomes
    together = list(zip(keys, right, prints, new, strict=True))
    outcomes += [seen_before(key, item, seen, print_) for key, item, print_, is_new in together if not is_new]
    fresh = [(item, print_) for _, item, print_, is_new in together if is_new]
    return [item for item, _ in fresh], [print_ for _, print_ in fresh], outcomes


def seen_before(key: str, item: object, seen: SeenKeys, print_: bytes) -> Skipped | Refused:
    """Return the outcome of a duplicate key: refused if the first item is known to be another request, else skipped."""
    before = seen.print_of(key)
    if before and print_ and before != print_:
        return refused_conflict(conflict_within(key, item, before, print_))
    return Skipped(key=key, reason="the same key came before in this input")
