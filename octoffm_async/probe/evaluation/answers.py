"""The answers of a probe by operation of the contract: the shape of its rows, its object or its count. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from ...contract.access import PageBody
from ...contract.answers.names import folded
from ...contract.operations import CREATE_TOKEN, OPERATIONS, Operation, Shape
from ..shapes import COUNTS, ROWS, Path, ValueShape, count_at, merged, result_at, rows_at, shape_at
from .expectations import fields_of

if TYPE_CHECKING:
    from ..records import Probe


class OperationAnswers(NamedTuple):
    """All successful answers of one operation as one shape.

    ``whole`` is the shape of the body; ``where`` is the path to ``part`` (the rows of a list, the object, the count).
    Both are ``None`` if the body has no such part.
    """

    operation: Operation[Any]
    whole: ValueShape
    where: Path | None
    part: ValueShape | None
    bodies: tuple[str, ...]
    """The kinds of the bodies (``json``, ``html`` …)."""

    @property
    def is_elsewhere(self) -> bool:
        """True if the part is at a place where the client does not look for it."""
        usual = {Shape.PAGE: ROWS, Shape.COUNT: COUNTS}.get(self.operation.shape, ())
        first, *deeper = self.where or ("",)
        return bool(deeper) or (first != "" and folded(first) not in usual)

    @property
    def struct(self) -> type[msgspec.Struct] | None:
        """The struct of a row or of the object."""
        return struct_of(self.operation)

    @property
    def row(self) -> ValueShape | None:
        """The shape of one row, or of the object."""
        if self.part is None or self.operation.shape is not Shape.PAGE:
            return self.part
        return self.part.items


def seen_answers(probe: Probe) -> list[OperationAnswers]:
    """Return the answers of each operation with a successful one, in the order of the contract."""
    found: list[OperationAnswers] = []
    for operation in (CREATE_TOKEN, *OPERATIONS):
        calls = [one for one in probe.calls if one.operation == operation.name and one.good]
        if not calls:
            continue
        bodies = tuple(dict.fromkeys(one.body or "empty" for one in calls))
        whole = merged([one.shape for one in calls if one.shape is not None])
        where = _where(operation, whole)
        part = None if where is None else shape_at(whole, where)
        found.append(OperationAnswers(operation, whole, where, part, bodies))
    return found


def struct_of(operation: Operation[Any]) -> type[msgspec.Struct] | None:
    """Return the struct of an operation's rows or of its object; ``None`` for a count."""
    if operation.shape is Shape.PAGE:
        for part in get_args(operation.answer):
            if part is not PageBody and getattr(part, "__origin__", None) is PageBody:
                return get_args(part)[0]  # type: ignore[no-any-return]
    kind: object = operation.answer
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _where(operation: Operation[Any], whole: ValueShape) -> Path | None:
    if not whole.seen:
        return None
    match operation.shape:
        case Shape.PAGE:
            return rows_at(whole)
        case Shape.COUNT:
            return count_at(whole)
        case _:
            struct = struct_of(operation)
            return result_at(whole, [field.wire for field in fields_of(struct)]) if struct is not None else ()
