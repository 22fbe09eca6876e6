"""The fields that the package looks for in another description, and the values that the description offers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast, get_origin

import msgspec

from ..answers.names import folded
from ..base import OpenEnum
from ..contract_file.registry import ENUMS, fields_of, plain_types, row_struct
from ..contract_file.wire_names import is_wire_name
from ..openapi.schema_reader import SchemaNode
from .synonyms import NEUTRAL, field_synonyms, words_of
from .units import unit_of, without_unit

TargetKind = Literal["object", "array", "number", "boolean", "time", "text"]
Path = tuple[str, ...]

EXACT, FOLDED, SYNONYM, SAME_WORDS, NESTED, NESTED_WORDS, NESTED_SYNONYM = range(7)
_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_KINDS: tuple[tuple[TargetKind, tuple[type, ...]], ...] = (
    ("object", (msgspec.Struct, Mapping)),
    ("time", (datetime,)),
    ("boolean", (bool,)),
    ("number", (int, float)),
    ("text", (str,)),
    ("array", (list, Sequence)),
)
_DEEPEST = 3
_MOST_OFFERS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetField:
    """A field or a filter of ours. ``name`` is its Python name, ``default`` its usual name on the wire."""

    struct: str
    name: str
    default: str
    kind: TargetKind
    required: bool
    always: bool = False
    """True if a request always contains it, required or not."""
    inner: type[msgspec.Struct] | None = None
    enum: type[OpenEnum] | None = None
    bare: bool = True
    """True if its name alone identifies it; ``code``, spread into another object, does not."""

    def rank(self, path: Path, node: SchemaNode) -> int | None:
        """Rank a value of theirs by similarity of its name, 0 being the best; None if it does not fit."""
        name, words = folded(self.default), sorted(words_of(self.default))
        synonyms = field_synonyms(self.struct, self.name, self.default)
        joined, leaf = folded("".join(path)), folded(path[-1])
        rank: int | None = None
        if len(path) == 1:
            if joined == name and self.bare:
                rank = EXACT if path[0] == self.default else FOLDED
            elif joined in synonyms or (
                unit_of(self.name) and without_unit(joined, words_of(path[0])) in {name, *synonyms}
            ):
                rank = SYNONYM
            elif sorted(words_of(path[0])) == words and self.bare:
                rank = SAME_WORDS
        else:
            grouped = all(folded(step) in NEUTRAL for step in path[:-1])
            if joined == name or joined in synonyms:
                rank = NESTED
            elif (leaf == name and (grouped or len(words) > 1)) or sorted(words_of(" ".join(path))) == words:
                rank = NESTED_WORDS
            elif leaf in synonyms and grouped:
                rank = NESTED_SYNONYM
        return rank if rank is not None and self.fits(node, strictly=rank > FOLDED) else None

    def fits(self, node: SchemaNode, *, strictly: bool) -> bool:
        """Return True if a value of theirs has the JSON type of this field; not ``strictly``: a type of its kind."""
        types = node.types
        if not types:
            return True
        match self.kind:
            case "object":
                fitting = {"object"} | ({"array"} if self.default == "quantities" else set[str]())
                fitting |= {"string"} if self.default == "refusal" and not strictly else set[str]()
            case "array":
                fitting = {"array"}
            case _ if not strictly:
                fitting = set(_SCALARS)
            case "number":
                fitting = {"number", "integer"}
            case "boolean":
                fitting = {"boolean"}
            case "time":
                fitting = {"string"}
            case "text":
                fitting = {"string"} | ({"integer"} if self._is_id else set[str]())
        form = str(node.limits.get("format", ""))
        dated = form.startswith("date")
        mistimed = strictly and ((self.kind == "text" and dated) or (self.kind == "time" and form != "" and not dated))
        return not types.isdisjoint(fitting) and not mistimed

    @property
    def _is_id(self) -> bool:
        return folded(self.default).endswith(("id", "gtin", "reference"))


@dataclass(frozen=True, slots=True, eq=False)
class CandidateValue:
    """A value of theirs: its path in an object, and its description."""

    path: Path
    node: SchemaNode

    def excludes(self, other: "CandidateValue") -> bool:
        """Return True if one of the two contains the other."""
        shorter = min(len(self.path), len(other.path))
        return self.path[:shorter] == other.path[:shorter]


def target_fields(struct: type[msgspec.Struct], *, bare: bool = True) -> list[TargetField]:
    """Return all fields of a struct, or all filters."""
    return [
        TargetField(
            struct=struct.__name__,
            name=field.name,
            default=field.encode_name,
            kind=_kind(field.type),
            required=field.required,
            always=field.required or field.default_factory is not msgspec.NODEFAULT,
            inner=row_struct(struct, field.name),
            enum=_enum(field.type),
            bare=bare,
        )
        for field in fields_of(struct).values()
    ]


def candidate_values(node: SchemaNode) -> list[CandidateValue]:
    """Return the values in an object, nearest first: at most 600, and at most 3 levels deep."""
    found: list[CandidateValue] = []
    level: list[CandidateValue] = [CandidateValue((), node)]
    for _ in range(_DEEPEST):
        deeper = [one for offer in level for one in _inside(offer)]
        found += deeper[: _MOST_OFFERS - len(found)]
        level = deeper if len(found) < _MOST_OFFERS else []
    return found


def _inside(offer: CandidateValue) -> Iterator[CandidateValue]:
    if "array" in offer.node.types:
        return
    for name in offer.node.names[:_MOST_OFFERS]:
        child = offer.node.child(name)
        if child is not None and is_wire_name(name) and "." not in name:
            yield CandidateValue((*offer.path, name), child)


def _kind(annotation: Any) -> TargetKind:
    plain = plain_types(annotation)
    for kind, classes in _KINDS:
        if any(isinstance(one, type) and issubclass(one, classes) for one in (get_origin(one) or one for one in plain)):
            return kind
    return "text"


def _enum(annotation: Any) -> type[OpenEnum] | None:
    """Return the open enum of an answer's field, or of the known values of a request's field."""
    for one in plain_types(annotation):
        if isinstance(one, type) and issubclass(one, OpenEnum):
            return one
    for meta in getattr(annotation, "__metadata__", ()):
        listed: object = cast(msgspec.Meta, meta).extra_json_schema or {}
        listed = cast("dict[str, object]", listed).get("x-known-values")
        for enum in ENUMS.values():
            if listed is not None and listed == [member.value for member in enum]:
                return enum
    return None
