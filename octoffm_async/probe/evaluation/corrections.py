"""The contract file that corrects the spellings in which the answers differ from the contract. Pure functions.

Only certain corrections become entries: a known synonym of the same type, an object spread into its parent, a field
nested deeper, another place of the rows. Uncertain ones become comments with their candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from ...contract.adoption.synonyms import field_synonyms, value_synonyms
from ...contract.answers.names import folded
from ...contract.common import ShipmentLine
from ...contract.contract_file.parser import parse_contract
from ...contract.contract_file.problems import ContractFileError
from ...contract.inbound import InboundLine, InboundShipment, InboundShipmentRequest
from ...contract.operations import Shape
from ...contract.outbound import DeliveryAddress, OutboundShipment, OutboundShipmentRequest, ParcelLine, ShippedTo
from ...contract.returns import Return, ReturnLine, ReturnRequest
from ..shapes import DATA
from .expectations import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from ...contract.base import OpenEnum
    from ..shapes import ValueShape
    from .answers import OperationAnswers
    from .expectations import Expected, ExpectedField

SPREAD = "."
_SENT_AS: dict[type, tuple[type, ...]] = {
    ShippedTo: (DeliveryAddress,),
    OutboundShipment: (OutboundShipmentRequest,),
    ParcelLine: (ShipmentLine,),
    InboundShipment: (InboundShipmentRequest,),
    InboundLine: (ShipmentLine,),
    Return: (ReturnRequest,),
    ReturnLine: (ShipmentLine,),
}
"""Structs of answers, each with the structs of requests that most likely use the same names."""


@dataclass(kw_only=True)
class Corrections:
    """The entries of a contract file by struct, enum and operation, and the undecided ones with their candidates."""

    fields: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    values: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    operations: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    undecided: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    guesses: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Fields of requests that are probably spelled as in answers; they are written as comments."""

    @property
    def count(self) -> int:
        """The number of entries."""
        return sum(len(table) for part in (self.fields, self.values, self.operations) for table in part.values())


def mend(answers: Sequence[OperationAnswers]) -> Corrections:
    """Return the corrections of the differences that the answers show."""
    mender = _Mender()
    for seen in answers:
        mender.take(seen)
    return mender.result()


def contract_text(corrections: Corrections, *, note: str) -> str:
    """Return the text of the contract file. It is always valid, whatever the names in the answers are."""
    text = "\n".join(_lines(corrections, note)) + "\n"
    if not corrections.count or _can_be_read(text):
        return text
    first, *others = [line if not line or line.startswith("#") else f"# {line}" for line in text.splitlines()]
    why = "# The entries contradict each other, so all of them are comments: choose among them."
    return "\n".join([first, why, *others]) + "\n"


@lru_cache(maxsize=4)
def _can_be_read(text: str) -> bool:
    """Return True if a contract file is valid. The cache helps, for after most calls the file is the same as before."""
    try:
        parse_contract(text)
    except ContractFileError:
        return False
    return True


class _Mender:
    def __init__(self) -> None:
        self._corrections = Corrections()
        self._as_ours: dict[str, set[str]] = {}
        self._values: dict[type[OpenEnum], list[str]] = {}

    def take(self, seen: OperationAnswers) -> None:
        key = {Shape.PAGE: "items", Shape.COUNT: "count", Shape.OBJECT: "result"}.get(seen.operation.shape)
        if seen.where and key and seen.is_elsewhere and seen.operation.path:
            self._corrections.operations.setdefault(seen.operation.name, {})[key] = ".".join(seen.where)
        if seen.struct is not None and seen.row is not None and seen.operation.path:
            self._struct(seen.struct, seen.row)

    def result(self) -> Corrections:
        """Return all entries; an entry that contradicts another answer becomes a comment."""
        corrections = self._corrections
        for struct, fields in corrections.fields.items():
            for name in sorted(fields.keys() & self._as_ours.get(struct, set())):
                corrections.undecided.setdefault(struct, []).append(
                    f"{name} = {_quoted(fields.pop(name))}  # not always"
                )
        corrections.fields = {struct: fields for struct, fields in corrections.fields.items() if fields}
        for read, sent in _SENT_AS.items():
            for name, wire in corrections.fields.get(read.__name__, {}).items():
                for request in sent:
                    if name in (one.name for one in fields_of(request)):
                        corrections.guesses.setdefault(request.__name__, {}).setdefault(name, wire)
        for enum, words in self._values.items():
            self._mend_values(enum, words)
        return corrections

    def _struct(self, struct: type[msgspec.Struct], shape: ValueShape) -> None:
        if not shape.objects:
            return
        fields = fields_of(struct)
        own = {field.name: found for field in fields if (found := shape.field(field.wire)) is not None}
        self._as_ours.setdefault(struct.__name__, set()).update(own)
        taken = {name for name, _ in own.values()}
        free = {name: inner for name, inner in shape.fields.items() if name not in taken and name != DATA}
        for field_ in fields:
            if field_.name in own:
                self._value(field_.holds, own[field_.name][1])
            else:
                self._missing(struct, field_, free, shape)

    def _missing(
        self, struct: type[msgspec.Struct], field: ExpectedField, free: dict[str, ValueShape], shape: ValueShape
    ) -> None:
        fitting = {name: inner for name, inner in free.items() if _fits(field.holds, inner)}
        known = field_synonyms(struct.__name__, field.name, field.wire)
        synonyms = [name for name in fitting if folded(name) in known]
        if len(synonyms) == 1:
            self._enter(struct, field.name, synonyms[0])
            self._value(field.holds, free.pop(synonyms[0]))
            return
        inner = field.holds.struct
        if inner is not None and field.holds.item is None and _is_spread(inner, free):
            self._enter(struct, field.name, SPREAD)
            spread = {name: free[name] for name in free}
            self._struct(inner, _object_of(spread, shape))
            for one in fields_of(inner):
                free.pop(_match(inner, one, free) or "", None)
            return
        deeper = [
            (name, found)
            for name, one in free.items()
            if one.objects and (found := one.field(field.wire)) is not None and _fits(field.holds, found[1])
        ]
        if len(deeper) == 1:
            name, (own, found_shape) = deeper[0]
            self._enter(struct, field.name, f"{name}.{own}")
            self._value(field.holds, found_shape)
            return
        candidates = synonyms or [name for name in fitting if _resembles(name, field.wire)]
        if candidates:
            choices = " or ".join(map(_quoted, candidates[:5]))
            line = f"{field.name} = {choices}"
            lines = self._corrections.undecided.setdefault(struct.__name__, [])
            if line not in lines:
                lines.append(line)

    def _enter(self, struct: type[msgspec.Struct], name: str, wire: str) -> None:
        self._corrections.fields.setdefault(struct.__name__, {}).setdefault(name, wire)

    def _value(self, holds: Expected, shape: ValueShape) -> None:
        if holds.enum is not None:
            known = self._values.setdefault(holds.enum, [])
            known += [word for word in shape.values if word not in known]
        if holds.struct is not None:
            self._struct(holds.struct, shape)
        if holds.item is not None and shape.items is not None:
            self._value(holds.item, shape.items)

    def _mend_values(self, enum: type[OpenEnum], words: list[str]) -> None:
        seen = {word.casefold() for word in words}
        for word in words:
            if word.casefold() in {member.value.casefold() for member in enum}:
                continue
            ours = next((one for one in enum if _means(one.value, word) and one.value.casefold() not in seen), None)
            if ours is not None:
                self._corrections.values.setdefault(enum.__name__, {}).setdefault(ours.value, word)
            else:
                self._corrections.undecided.setdefault(enum.__name__, []).append(f"{_quoted(word)} is not known")


def _fits(holds: Expected, shape: ValueShape) -> bool:
    types = {one for one in shape.types if one != "null"}
    if not types:
        return False
    if holds.types & {"integer", "number"} and types == {"string"}:
        return all(form in ("integer", "number") for form in shape.forms)
    if holds.is_time and not all("time" in form or "date" in form for form in shape.forms):
        return False
    if holds.struct is None and holds.item is None and "string" in holds.types and types <= {"integer", "string"}:
        return not holds.is_time or types == {"string"}
    return types <= holds.types


def _match(struct: type[msgspec.Struct], field: ExpectedField, free: dict[str, ValueShape]) -> str | None:
    """Return the only free name that fits a field, by its own name or by a synonym."""
    fitting = [name for name, shape in free.items() if _fits(field.holds, shape)]
    own = [name for name in fitting if folded(name) == folded(field.wire)]
    known = field_synonyms(struct.__name__, field.name, field.wire)
    others = [name for name in fitting if folded(name) in known]
    return own[0] if own else others[0] if len(others) == 1 else None


def _is_spread(struct: type[msgspec.Struct], free: dict[str, ValueShape]) -> bool:
    """Return True if the fields of an object stand in its parent: half of them, and at least two."""
    fields = fields_of(struct)
    found = [one for one in fields if _match(struct, one, free) is not None]
    return len(found) >= max(2, len(fields) // 2)


def _object_of(fields: dict[str, ValueShape], parent: ValueShape) -> ValueShape:
    return type(parent)(types=["object"], seen=parent.seen, fields=fields)


def _resembles(one: str, other: str) -> bool:
    """Return True if one of two names contains the other."""
    one, other = folded(one), folded(other)
    return min(len(one), len(other)) >= 4 and (one in other or other in one)


def _means(ours: str, word: str) -> bool:
    return folded(ours) == folded(word) or folded(word) in value_synonyms(ours)


def _quoted(text: str) -> str:
    return f'"{text}"'  # names and words of a shape contain neither quotes nor backslashes


def _lines(corrections: Corrections, note: str) -> list[str]:
    lines = [f"# {note}"]
    if not corrections.count:
        lines.append(
            "# There is nothing to correct: the answers are spelled as the package expects, or it is undecided."
        )
    for section, tables in (("fields", corrections.fields), ("values", corrections.values)):
        for name, table in tables.items():
            lines += ["", f"[{section}.{name}]", *(f"{ours} = {_quoted(wire)}" for ours, wire in table.items())]
    for name, table in corrections.operations.items():
        lines += ["", f'[operations."{name}"]', *(f"{key} = {_quoted(path)}" for key, path in table.items())]
    if corrections.guesses:
        lines += ["", "# Requests were not tested. They probably use the names of the answers:"]
        for name, table in corrections.guesses.items():
            lines += [f"# [fields.{name}]", *(f"# {ours} = {_quoted(wire)}" for ours, wire in table.items())]
    if corrections.undecided:
        lines += ["", "# Undecided:"]
        for name, undecided in corrections.undecided.items():
            lines += [f"# [{name}]", *(f"# {line}" for line in undecided)]
    return lines
