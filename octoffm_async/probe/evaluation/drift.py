"""Differences between the answers and the contract: missing and unknown fields, other types and values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from ...contract.access import TokenAnswer
from ...contract.answers.names import folded
from ...contract.operations import Shape
from ..shapes import DATA
from .expectations import expected_of, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..shapes import ValueShape
    from .answers import OperationAnswers
    from .corrections import Corrections
    from .expectations import Expected

Kind = Literal["missing", "unknown", "type", "value"]
Cure = Literal["reader", "contract file", ""]

ROOT = "$"
_ENVELOPE = frozenset({"itemsperpage"})
_READ_AS_TEXT = frozenset({"integer", "number"})
_NUMBERS = frozenset({"integer", "number"})
_SECONDS_DECIMALS = 6
"""The decimals of seconds that RFC 3339 parsers commonly accept; .NET writes 7."""


class ProbeDrift(msgspec.Struct, kw_only=True, frozen=True):
    """One difference. ``path`` is relative to the row or the object; with ``$``, to the body.

    As in a client's drift reports, a path has our names where the contract models a field, and the API's elsewhere.
    ``spelled`` is the field's name in JSON: as the answer has it, or as the contract expects it. ``cure`` says what
    handles the difference: the client's reader, the contract file that the probe wrote, or nothing yet (empty).
    """

    operation: str
    path: str
    kind: Kind
    expected: str
    found: str
    spelled: str = ""
    tag: str = ""
    cure: Cure = ""


def drift_of(answers: Sequence[OperationAnswers], corrections: Corrections) -> list[ProbeDrift]:
    """Return all differences, in the order of the contract. ``corrections`` has the entries of the contract file."""
    return [one for seen in answers for one in _Comparison(seen, corrections).differences()]


class _Comparison:
    """The comparison of one operation's answers with the contract."""

    def __init__(self, seen: OperationAnswers, corrections: Corrections) -> None:
        self._seen = seen
        self._corrections = corrections

    def differences(self) -> Iterator[ProbeDrift]:
        seen = self._seen
        shape_wanted = seen.operation.shape
        if strange := [body for body in seen.bodies if body not in _EXPECTED_BODIES.get(shape_wanted, ("json",))]:
            yield self._root("type", "JSON", ", ".join(strange))
        if not seen.whole.seen:
            return
        if seen.where is None or seen.part is None:
            yield self._root("missing", _THINGS.get(shape_wanted, "an object"), _types(seen.whole))
            return
        if seen.is_elsewhere:
            thing = _THINGS.get(shape_wanted, "the body's own fields")
            yield self._root("missing", thing, f"at {'.'.join(seen.where)}", cure="contract file")
        if shape_wanted is Shape.PAGE:
            for name, inner in seen.whole.fields.items():
                if name not in seen.where[:1] and folded(name) not in _ENVELOPE:
                    yield self._one(f"{ROOT}.{name}", "unknown", "", _types(inner), spelled=name)
        if seen.struct is not None and seen.row is not None:
            yield from self._value("", expected_of(seen.struct), seen.row, tag=seen.operation.tag)

    def _root(self, kind: Kind, expected: str, found: str, *, cure: Cure = "") -> ProbeDrift:
        return self._one(ROOT, kind, expected, found, tag=self._seen.operation.tag, cure=cure)

    def _one(
        self, path: str, kind: Kind, expected: str, found: str, *, spelled: str = "", tag: str = "", cure: Cure = ""
    ) -> ProbeDrift:
        return ProbeDrift(
            operation=self._seen.operation.name,
            path=path or ROOT,
            kind=kind,
            expected=expected,
            found=found,
            spelled=spelled,
            tag=tag,
            cure=cure,
        )

    def _value(
        self, path: str, expected: Expected, shape: ValueShape, *, tag: str, spelled: str = ""
    ) -> Iterator[ProbeDrift]:
        expected_types = " or ".join(sorted(expected.types - {"null"}))
        if strange := [one for one in shape.types if one != "null" and one not in expected.types]:
            cure: Cure = "reader" if _is_readable(expected, strange, shape) else ""
            yield self._one(path, "type", expected_types, _types(shape), spelled=spelled, tag=tag, cure=cure)
        if expected.is_time and (odd := [form for form in shape.forms if not _is_plain_time(form)]):
            cure = "reader" if all("time" in form or "date" in form for form in odd) else ""
            yield self._one(path, "type", "time with a zone", ", ".join(odd), spelled=spelled, tag=tag, cure=cure)
        if expected.enum is not None:
            corrections = self._corrections.values.get(expected.enum.__name__, {})
            for word in shape.values:
                if not expected.enum(word).known:
                    cure = "contract file" if word in corrections.values() else ""
                    yield self._one(path, "value", expected.enum.__name__, word, spelled=spelled, tag=tag, cure=cure)
        if expected.struct is not None and shape.objects:
            yield from self._fields(path, expected.struct, shape)
        if expected.item is not None and shape.items is not None:
            yield from self._value(f"{path}[]", expected.item, shape.items, tag=tag, spelled=spelled)

    def _fields(self, path: str, struct: type[msgspec.Struct], shape: ValueShape) -> Iterator[ProbeDrift]:
        prefix = f"{path}." if path else ""
        entries = self._corrections.fields.get(struct.__name__, {})
        taken: set[str] = set()
        for field in fields_of(struct):
            if (found := shape.field(field.wire)) is not None:
                name, inner = found
                taken.add(name)
                yield from self._value(prefix + field.name, field.holds, inner, tag=field.tag, spelled=name)
                continue
            yield self._one(
                prefix + field.name,
                "missing",
                " or ".join(sorted(field.holds.types - {"null"})),
                f"in none of {shape.seen}",
                spelled=field.wire,
                tag=field.tag,
                cure="contract file" if field.name in entries else "",
            )
        used = {wire.partition(".")[0] for wire in entries.values()}
        for name, inner in shape.fields.items():
            if name not in taken and not (struct is TokenAnswer and name in _BESIDE_A_TOKEN):
                found_types = f"{_types(inner)}{', names that may be data' if name == DATA else ''}"
                cure: Cure = "contract file" if name in used else ""
                yield self._one(prefix + name, "unknown", "", found_types, spelled=name, cure=cure)


_BESIDE_A_TOKEN = frozenset(
    {"refresh_expires_in", "refresh_token", "scope", "not-before-policy", "session_state", "id_token"}
)
"""Fields that Keycloak adds to every token answer."""
_THINGS = {Shape.PAGE: "rows at items", Shape.COUNT: "a number, alone or at count", Shape.DOCUMENT: "a document"}
_EXPECTED_BODIES = {Shape.DOCUMENT: ("json", "pdf", "other")}


def _is_readable(expected: Expected, strange: list[str], shape: ValueShape) -> bool:
    """Return True if the client's reader accepts these types for the expected ones."""
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
