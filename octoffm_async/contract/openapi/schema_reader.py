"""Reader of JSON schemas from OpenAPI 3.0 and 3.1, in one form for both.

The reader follows references, merges ``allOf``, joins ``anyOf`` and ``oneOf``, and turns every notation of null into a
flag. It reads fields on first access, so schemas may be recursive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

LIMITS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
)
_AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_NESTING = 60
_MOST_REPEATED = 2000
_LONGEST_TEXT = 1000
_JSON_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array"))

Raw = Mapping[str, Any]
Raws = tuple[Raw, ...]


@dataclass(slots=True, kw_only=True)
class Facets:
    """The content of one schema. ``types`` is ``None`` if the schema has no type; it never contains null."""

    types: frozenset[str] | None = None
    nullable: bool = False
    values: tuple[Any, ...] | None = None
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    required: frozenset[str] = frozenset()
    properties: dict[str, Raws] = field(default_factory=dict[str, Raws])
    items: Raws = ()
    tag: str = ""
    text: str = ""
    default: Any = None

    def restrict(self, other: "Facets") -> None:
        """Restrict these facets by others that hold as well, as in ``allOf``."""
        self.types = _common(self.types, other.types)
        self.nullable = self.nullable or other.nullable
        if self.values is None or other.values is None:
            self.values = other.values if self.values is None else self.values
        else:
            both = set(other.values)
            self.values = tuple(value for value in self.values if value in both)
        for name, limit in other.limits.items():
            self.limits[name] = narrower(name, self.limits.get(name, limit), limit)
        self.required |= other.required
        for name, raws in other.properties.items():
            self.properties[name] = _unique(self.properties.get(name, ()) + raws)
        self.items = _unique(self.items + other.items)
        self.tag = self.tag or other.tag
        self.text = self.text or other.text
        self.default = other.default if self.default is None else self.default


class SchemaNode:
    """A described value: its types (none: the document gives none), nullability, listed values, limits and fields.

    ``text`` is its title and description, ``default`` the documented default value.
    """

    __slots__ = ("_facets", "_reader", "default", "nullable", "required", "tag", "text", "types", "values")

    def __init__(self, reader: "SchemaReader", facets: Facets) -> None:
        self._reader = reader
        self._facets = facets
        self.types: frozenset[str] = facets.types or frozenset[str]()
        self.nullable: bool = facets.nullable
        self.values: tuple[Any, ...] = facets.values or ()
        self.required: frozenset[str] = facets.required
        self.tag: str = facets.tag
        self.text: str = facets.text
        self.default: Any = facets.default

    @property
    def limits(self) -> Mapping[str, Any]:
        """Limits by their JSON schema names."""
        return self._facets.limits

    @property
    def names(self) -> list[str]:
        """The names of the fields, in the order of the document."""
        return list(self._facets.properties)

    def child(self, name: str) -> "SchemaNode | None":
        """Return one field, or None if the document does not name it."""
        raws = self._facets.properties.get(name)
        return None if raws is None else self._reader.node(*raws)

    def items(self) -> "SchemaNode":
        """Return the node of a list's items."""
        return self._reader.node(*self._facets.items)


class SchemaReader:
    """Reader of the schemas of one document.

    ``notes`` lists the parts that could not be read, each once; ``dangling_references`` the references without a target
    in the document.
    """

    def __init__(self, document: Raw) -> None:
        self.notes: dict[str, None] = {}
        self.dangling_references: set[str] = set()
        self._document = document
        self._facets: dict[int, Facets] = {}
        self._nodes: dict[tuple[int, ...], SchemaNode] = {}
        self._made: list[Raw] = []  # keeps objects alive, because the caches are keyed by id()
        self._cut: set[int] = set()  # recursive schemas that are still being read
        self._repeated = 0

    def node(self, *raws: object) -> SchemaNode:
        """Return the value that all given schemas describe together."""
        parts = [self._target(cast(Raw, raw)) for raw in raws if isinstance(raw, Mapping)]
        key = tuple(map(id, parts))
        if (known := self._nodes.get(key)) is None:
            facets = Facets()
            for part in parts:
                facets.restrict(self._read(part, ()))
            known = self._nodes[key] = SchemaNode(self, facets)
        return known

    def deref(self, thing: object) -> Raw:
        """Follow the references of a parameter, a body or a response; empty if there is no target."""
        seen: set[str] = set()
        while isinstance(thing, Mapping) and isinstance(reference := cast(Raw, thing).get("$ref"), str):
            if reference in seen:
                self.note(f"{reference} refers to itself")
                return {}
            seen.add(reference)
            thing = self._look_up(reference)
        return cast(Raw, thing) if isinstance(thing, Mapping) else {}

    def note(self, text: str) -> None:
        """Add a note for the reader of the comparison."""
        self.notes[text] = None

    def _target(self, raw: Raw) -> Raw:
        return self.deref(raw) if list(raw) == ["$ref"] else raw

    def _look_up(self, reference: str) -> object:
        if not reference.startswith("#"):
            self.note(f"{reference} is in another file, which is not read")
            return None
        here: object = self._document
        for step in unquote(reference[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(here, Mapping):
                here = _member(cast("Mapping[object, object]", here), name)
            elif isinstance(here, list) and name.isdecimal() and len(name) < 9:
                here = dict(enumerate(cast("list[object]", here))).get(int(name))
            else:
                here = None
        if not isinstance(here, Mapping) or not reference.startswith("#/"):
            self.dangling_references.add(reference)
            self.note(f"{reference} is not in the document")
            return None
        return cast(object, here)

    def _read(self, raw: Raw, inside: tuple[int, ...]) -> Facets:
        """Read a schema with all schemas that it includes; ``inside`` holds the ids of the enclosing schemas."""
        if (known := self._facets.get(id(raw))) is not None:
            return known
        if id(raw) in inside:
            self._cut.add(id(raw))
            return Facets()
        if len(inside) > _NESTING:
            self.note("schemas are nested too deeply")
            return Facets()
        inside = (*inside, id(raw))
        facets = _own(raw)
        if isinstance(raw.get("$ref"), str):
            facets.restrict(self._read(self.deref({"$ref": raw["$ref"]}), inside))
        for part in _schemas(raw.get("allOf")):
            facets.restrict(self._read(part, inside))
        for name in ("anyOf", "oneOf"):
            if alternatives := _schemas(raw.get(name)):
                facets.restrict(self._joined([self._read(part, inside) for part in alternatives]))
        self._cut.discard(id(raw))
        # A result inside a recursive schema lacks that schema's own part, so it is not cached and is read again
        # elsewhere. The bound stops schemas that all refer to each other.
        if self._cut and self._repeated < _MOST_REPEATED:
            self._repeated += 1
        else:
            self._facets[id(raw)] = facets
        return facets

    def _joined(self, alternatives: Sequence[Facets]) -> Facets:
        """Join alternatives of which one holds, as in ``anyOf`` and ``oneOf``."""
        joined = Facets(nullable=any(one.nullable for one in alternatives))
        real = [one for one in alternatives if one.types != frozenset()] or [Facets(types=frozenset())]
        if all(one.types is not None for one in real):
            joined.types = frozenset[str]().union(*(one.types or () for one in real))
        listed = [value for one in real for value in one.values or ()]
        joined.values = tuple(dict.fromkeys(listed)) if listed else None
        for one in real:
            for name, limit in one.limits.items():
                joined.limits[name] = _wider(name, joined.limits.get(name, limit), limit)
        objects = [one for one in real if one.types is None or "object" in one.types]
        if objects:
            joined.required = frozenset[str].intersection(*(one.required for one in objects))
        for name in dict.fromkeys(name for one in objects for name in one.properties):
            joined.properties[name] = self._either([one.properties[name] for one in objects if name in one.properties])
        joined.items = self._either([one.items for one in real if one.items])
        if len(real) == 1:
            joined.tag, joined.text, joined.default = real[0].tag, real[0].text, real[0].default
        return joined

    def _either(self, choices: Sequence[Raws]) -> Raws:
        different = {tuple(map(id, raws)): raws for raws in choices}
        if len(different) <= 1:
            return choices[0] if choices else ()
        made = {"anyOf": [{"allOf": list(raws)} for raws in different.values()]}
        self._made.append(made)
        return (made,)


def _unique(raws: Raws) -> Raws:
    """Return each schema once; otherwise repeated references would multiply schemas."""
    return tuple({id(raw): raw for raw in raws}.values())


def _own(raw: Raw) -> Facets:
    types, nullable = _types(raw)
    values = _values(raw)
    if values is not None and None in values:
        nullable = True
        values = tuple(value for value in values if value is not None)
    if types is None:
        types = _implied(raw, values if "enum" in raw or "const" in raw else None)
    required = raw.get("required")
    properties = raw.get("properties")
    fields: Mapping[object, object] = {}
    if isinstance(properties, Mapping):
        fields = cast("Mapping[object, object]", properties)
    tag = raw.get("x-provenance")
    return Facets(
        types=types,
        nullable=nullable,
        values=values,
        limits=_limits(raw),
        required=frozenset(map(str, cast("list[object]", required))) if isinstance(required, list) else frozenset(),
        properties={str(name): _schemas([schema]) for name, schema in fields.items()},
        items=_schemas([raw.get("items")]),
        tag=tag if isinstance(tag, str) else "",
        text=" ".join(
            one[:_LONGEST_TEXT] for one in (raw.get("title"), raw.get("description")) if isinstance(one, str)
        ),
        default=raw.get("default"),
    )


def _types(raw: Raw) -> tuple[frozenset[str] | None, bool]:
    said = raw.get("type")
    nullable = raw.get("nullable") is True
    if isinstance(said, str):
        said = [said]
    if not isinstance(said, list):
        return None, nullable
    names = frozenset(name for name in cast("list[object]", said) if isinstance(name, str))
    return names - {"null"}, nullable or "null" in names


def _implied(raw: Raw, values: tuple[Any, ...] | None) -> frozenset[str] | None:
    if isinstance(raw.get("properties"), Mapping):
        return frozenset({"object"})
    if "items" in raw:
        return frozenset({"array"})
    if values:
        return frozenset(
            next((name for kind, name in _JSON_TYPES if isinstance(one, kind)), "object") for one in values
        )
    return None


def _values(raw: Raw) -> tuple[Any, ...] | None:
    listed: list[Any] = [raw["const"]] if "const" in raw else []
    for keyword in ("enum", "x-known-values", "x-extensible-enum"):
        if isinstance(found := raw.get(keyword), list):
            listed += cast("list[object]", found)
    if not listed:
        return None
    return tuple(dict.fromkeys(map(_plain, listed)))


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    return "(a list)" if isinstance(value, list) else "(an object)"


def _limits(raw: Raw) -> dict[str, Any]:
    limits = {name: raw[name] for name in LIMITS if isinstance(raw.get(name), str | int | float)}
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(flag := limits.get(exclusive), bool):  # in OpenAPI 3.0 it is a flag of the inclusive limit
            del limits[exclusive]
            if flag and inclusive in limits:
                limits[exclusive] = limits.pop(inclusive)
    return {name: limit for name, limit in limits.items() if not isinstance(limit, bool)}


def _schemas(listed: object) -> Raws:
    if not isinstance(listed, list):
        return ()
    return tuple(cast(Raw, one) for one in cast("list[object]", listed) if isinstance(one, Mapping))


def _member(mapping: Mapping[object, object], name: str) -> object:
    """Return a member by its name; YAML loads a name of digits as a number."""
    if name in mapping:
        return mapping[name]
    return mapping.get(int(name)) if name.isdecimal() and len(name) < 9 else None


def _common(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    common = one & other
    if "integer" in one | other and "number" in one | other:
        common |= {"integer"}
    return common or one


def narrower(name: str, one: Any, other: Any) -> Any:
    """Return the narrower of two limits with the same name; for patterns and formats the first."""
    if not (isinstance(one, int | float) and isinstance(other, int | float)):
        return one
    return max(one, other) if name in _AT_LEAST else min(one, other) if name in _AT_MOST else one


def _wider(name: str, one: Any, other: Any) -> Any:
    return other if one == narrower(name, one, other) else one
