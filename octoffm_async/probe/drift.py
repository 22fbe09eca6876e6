"""Where the answers differ from the contract: what is missing, unknown, of another type or of another value. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from ..contract.operations import Shape
from .expectations import expected_of, fields_of
from .shapes import DATA
from .words import fold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .answers import Seen
    from .expectations import Expected, ExpectedField
    from .shapes import ValueShape

Kind = Literal["missing", "unknown", "type", "value"]
Cure = Literal["reader", "contract file", ""]

ROOT = "$"
_ENVELOPE = frozenset({"itemsperpage"})
_READ_AS_TEXT = frozenset({"integer", "number"})
_NUMBERS = frozenset({"integer", "number"})
_SECONDS_DECIMALS = 6
"""What RFC 3339 readers take without a thought; .NET writes 7."""


class Drift(msgspec.Struct, kw_only=True, frozen=True):
    """One difference. ``path`` stands in the row or the object; with ``$`` in the body.

    ``cure`` says what takes care of it: the reader by itself, the contract file that was written, or nothing yet.
    """

    operation: str
    path: str
    kind: Kind
    expected: str
    found: str
    tag: str = ""
    cure: Cure = ""


def drift_of(answers: Sequence[Seen]) -> list[Drift]:
    """All differences, in the order of the contract."""
    return [one for seen in answers for one in _of_answer(seen)]


def _of_answer(seen: Seen) -> Iterator[Drift]:
    operation = seen.operation
    if strange := [body for body in seen.bodies if body not in _EXPECTED_BODIES.get(operation.shape, ("json",))]:
        yield _root(seen, "type", "JSON", ", ".join(strange))
    if not seen.whole.seen:
        return
    if seen.where is None or seen.part is None:
        yield _root(seen, "missing", _THINGS.get(operation.shape, "an object"), _types(seen.whole))
        return
    if seen.is_elsewhere:
        where = f"at {'.'.join(seen.where)}"
        yield _root(seen, "missing", _THINGS.get(operation.shape, "the body's own fields"), where, cure="contract file")
    if operation.shape is Shape.PAGE:
        for name, inner in seen.whole.fields.items():
            if name not in seen.where[:1] and fold(name) not in _ENVELOPE:
                yield Drift(
                    operation=operation.name, path=f"{ROOT}.{name}", kind="unknown", expected="", found=_types(inner)
                )
    struct, row = seen.struct, seen.row
    if struct is not None and row is not None:
        yield from _of_value(operation.name, "", expected_of(struct), row, tag=operation.tag)


_THINGS = {Shape.PAGE: "rows at items", Shape.COUNT: "a number, alone or at count", Shape.DOCUMENT: "a document"}
_EXPECTED_BODIES = {Shape.DOCUMENT: ("json", "pdf", "other")}


def _root(seen: Seen, kind: Kind, expected: str, found: str, *, cure: Cure = "") -> Drift:
    operation = seen.operation
    return Drift(
        operation=operation.name, path=ROOT, kind=kind, expected=expected, found=found, tag=operation.tag, cure=cure
    )


def _of_value(operation: str, path: str, expected: Expected, shape: ValueShape, *, tag: str) -> Iterator[Drift]:
    types = [one for one in shape.types if one != "null"]
    strange = [one for one in types if one not in expected.types]
    if strange:
        yield Drift(
            operation=operation,
            path=path or ROOT,
            kind="type",
            expected=" or ".join(sorted(expected.types - {"null"})),
            found=_types(shape),
            tag=tag,
            cure="reader" if _is_readable(expected, strange, shape) else "",
        )
    if expected.is_time and (odd := [form for form in shape.forms if not _is_plain_time(form)]):
        readable: Cure = "reader" if all("time" in form or "date" in form for form in odd) else ""
        yield Drift(
            operation=operation,
            path=path,
            kind="type",
            expected="time with a zone",
            found=", ".join(odd),
            tag=tag,
            cure=readable,
        )
    if expected.enum is not None:
        for word in shape.values:
            if not expected.enum(word).known:
                yield Drift(
                    operation=operation, path=path, kind="value", expected=expected.enum.__name__, found=word, tag=tag
                )
    if expected.struct is not None and shape.objects:
        yield from _of_fields(operation, path, fields_of(expected.struct), shape)
    if expected.item is not None and shape.items is not None:
        yield from _of_value(operation, f"{path}[]", expected.item, shape.items, tag=tag)


def _of_fields(operation: str, path: str, fields: Sequence[ExpectedField], shape: ValueShape) -> Iterator[Drift]:
    taken: set[str] = set()
    prefix = f"{path}." if path else ""
    for field in fields:
        found = shape.field(field.wire)
        if found is None:
            yield Drift(
                operation=operation,
                path=prefix + field.wire,
                kind="missing",
                expected=" or ".join(sorted(field.holds.types - {"null"})),
                found=f"in none of {shape.seen}",
                tag=field.tag,
            )
            continue
        name, inner = found
        taken.add(name)
        yield from _of_value(operation, prefix + name, field.holds, inner, tag=field.tag)
    for name, inner in shape.fields.items():
        if name not in taken:
            found_types = f"{_types(inner)}{', names that may be data' if name == DATA else ''}"
            yield Drift(operation=operation, path=prefix + name, kind="unknown", expected="", found=found_types)


def _is_readable(expected: Expected, strange: list[str], shape: ValueShape) -> bool:
    """Whether the reader takes these types for what is expected."""
    if expected.struct is not None or expected.item is not None:
        return False
    if set(strange) <= _READ_AS_TEXT and "string" in expected.types and not expected.is_time and expected.enum is None:
        return True
    if strange == ["string"] and expected.types & _NUMBERS:
        return all(form in ("integer", "number") for form in shape.forms)
    return strange == ["number"] and "integer" in expected.types


def _is_plain_time(form: str) -> bool:
    if not form.startswith(("time Z", "time offset")):
        return False
    decimals = form.removesuffix(" decimals").rpartition(" ")[2]
    return not decimals.isdigit() or int(decimals) <= _SECONDS_DECIMALS


def _types(shape: ValueShape) -> str:
    forms = [form for form in shape.forms if form != "text"]
    return "/".join(shape.types) + (f" ({', '.join(forms)})" if forms else "")
