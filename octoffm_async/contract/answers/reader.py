"""Tolerant reader of answers in any spelling, one value at a time.

msgspec decodes the usual answers in C, with types made for them (:mod:`.wire_types`). This module reads the answers
that those types reject, and records the facts from which the next type is made: the API's spelling of each name, the
members that the contract does not have, the values that come in another form. It reports each difference from the
contract as drift: a path in Python names, a kind, and the type that was found, never a value.

The reader invents nothing: a field holds the value that the API sent, or ``None``; a value that it cannot read stays in
``extra`` unchanged.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

import msgspec

from ..base import Answer, OpenEnum, with_extra
from ..common import Refusal
from ..contract_file.translation import JsonObject, Translation
from ..stocks import Localization, Quantities
from .field_specs import FieldSpec, specs_of
from .json_values import is_array, is_object, json_type
from .names import MAX_CACHED_NAME, find_key, folded, keys_by_folded_name
from .values import READERS, NotReadableError, is_plain, is_zoneless, read_gtin, reader_of_enum

DriftKind = Literal["missing", "unknown", "type", "value"]
MAX_UNKNOWN_MEMBERS = 64
"""Largest number of unmodelled members of one object; with more, it counts as a map with arbitrary keys."""
_UNTYPED = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
"""Characters of a name that msgspec's types cannot have."""
_FIELD = re.compile(r"[@$_]*[A-Za-z][A-Za-z0-9_.:-]{0,59}", re.ASCII)
_API_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)
_LAX = (int, float, bool)


class MissingIdentityError(ValueError):
    """An error for an object without its identifying field, which the client cannot return to a caller."""

    def __init__(self, path: str) -> None:
        super().__init__(f"it has no {path}")
        self.path = path


@dataclass(slots=True)
class ObservedSpelling:
    """The spelling of one operation's answers so far, by path of an object (``""``: the row or the object itself).

    ``names`` are spellings by Python name, ``unknown`` members that are not modelled (True: only scalars so far),
    ``absent`` expected fields that some object lacked, ``null`` lists and objects that came as null, ``odd`` fields
    whose values plain decoding does not read, ``integers`` texts that came as numbers, ``zoneless`` times without a
    zone, ``maps`` objects with too many names. ``lax``: numbers came as text or with a decimal point.
    """

    names: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict[str, dict[str, str]](dict))
    unknown: dict[str, dict[str, bool]] = field(default_factory=lambda: defaultdict[str, dict[str, bool]](dict))
    absent: dict[str, set[str]] = field(default_factory=lambda: defaultdict[str, set[str]](set))
    null: dict[str, set[str]] = field(default_factory=lambda: defaultdict[str, set[str]](set))
    odd: dict[str, set[str]] = field(default_factory=lambda: defaultdict[str, set[str]](set))
    integers: dict[str, set[str]] = field(default_factory=lambda: defaultdict[str, set[str]](set))
    zoneless: dict[str, set[str]] = field(default_factory=lambda: defaultdict[str, set[str]](set))
    maps: set[str] = field(default_factory=set[str])
    lax: bool = False


class TolerantReader:
    """Reader of one operation's objects. ``drift`` maps path and kind of each difference to the type found."""

    def __init__(self, translation: Translation, learned: ObservedSpelling) -> None:
        self.drift: dict[tuple[str, DriftKind], str] = {}
        self._translation = translation
        self._learned = learned

    def record_drift(self, path: str, kind: DriftKind, found: str) -> None:
        """Record a difference, once."""
        self.drift.setdefault((path, kind), found)

    def read(self, struct: type[msgspec.Struct], members: Mapping[str, Any], path: str = "") -> Any:
        """Return an object as ``struct``.

        Raises:
            RowWithoutIdentityError: the object lacks its identifying field.
        """
        found, rest, keys = self._matched(struct, members, path)
        fields: JsonObject = {}
        unreadable: JsonObject = {}
        for spec in specs_of(struct):
            where = f"{path}.{spec.name}" if path else spec.name
            raw = found.get(spec.name)
            if raw is None:
                self._note_absent(spec, path, where, null=spec.name in found)
                continue
            try:
                read = self._value(spec, self._translation.scaled(struct, spec, raw, to_wire=False), path, where)
            except NotReadableError:
                self.record_drift(where, "type", json_type(raw))
                if spec.required:
                    raise MissingIdentityError(where) from None
                unreadable[keys.get(spec.name, spec.wire)] = raw
                continue
            if read is not None:
                fields[spec.name] = read
        if struct is Quantities and not fields:
            self.record_drift(path, "missing", "no known quantity type")
        self._note_unknown(rest, path)
        return with_extra(cast("type[Answer]", struct), fields, rest | unreadable)

    def read_for_hook(self, hook: Any, value: Any) -> Any:
        """Return a value that msgspec passes to this reader; ``hook`` comes from :func:`.wire_types.hook`."""
        spec, path, where = hook.spec, hook.path, hook.where
        if spec is None:
            if not is_object(value):
                raise NotReadableError
            return self.read(hook.struct, value, path)
        return self._value(spec, value, path, where)

    def _matched(
        self, struct: type[msgspec.Struct], members: Mapping[str, Any], path: str
    ) -> tuple[JsonObject, JsonObject, dict[str, str]]:
        """Separate the values of modelled fields, by Python name, from the members that are not modelled."""
        translation, specs = self._translation, specs_of(struct)
        if translation.is_reshaped(struct):
            found, rest = translation.unpack(struct, members)
            mappings = {spec.name: translation.mapping(struct, spec.name) for spec in specs}
            return found, rest, {name: ".".join(mapping.path) for name, mapping in mappings.items() if mapping}
        by_fold: dict[str, str] | None = None
        keys: dict[str, str] = {}
        names = self._learned.names[path]
        for spec in specs:
            wire = translation.wire_name(struct, spec)
            key: str | None = wire
            if wire not in members:
                by_fold = keys_by_folded_name(members) if by_fold is None else by_fold
                key = by_fold.get(folded(wire))
            if key is not None:
                keys[spec.name] = key
                names[spec.name] = key  # the newest wins: servers of one API may spell differently
        taken = set(keys.values())
        rest = {name: value for name, value in members.items() if name not in taken}
        if rest:
            self._note_doubles(struct, rest, path)
        return {name: members[key] for name, key in keys.items()}, rest, keys

    def _note_doubles(self, struct: type[msgspec.Struct], rest: JsonObject, path: str) -> None:
        """Read an object by this reader from now on if it has a field in two spellings: their order may change."""
        modelled = {folded(self._translation.wire_name(struct, spec)) for spec in specs_of(struct)}
        if any(folded(name) in modelled for name in rest):
            self._learned.maps.add(path)

    def _note_absent(self, spec: FieldSpec, path: str, where: str, *, null: bool) -> None:
        if spec.required:
            raise MissingIdentityError(where)
        if null and spec.kind in ("struct", "list") and not spec.optional:
            self._learned.null[path].add(spec.name)
        if spec.expected:
            self._learned.absent[path].add(spec.name)
            self.record_drift(where, "missing", "nothing")

    def _note_unknown(self, rest: JsonObject, path: str) -> None:
        unknown = self._learned.unknown[path]
        for name, value in rest.items():
            if name in unknown:
                unknown[name] = unknown[name] and not isinstance(value, dict | list)
            elif len(unknown) >= MAX_UNKNOWN_MEMBERS or len(name) > MAX_CACHED_NAME or _UNTYPED.search(name):
                self._learned.maps.add(path)
                self.record_drift(f"{path}.*" if path else "*", "unknown", "many names")
                return
            else:
                unknown[name] = not isinstance(value, dict | list)
                shown = name if _FIELD.fullmatch(name) else "*"  # otherwise the name itself may be customer data
                self.record_drift(f"{path}.{shown}" if path else shown, "unknown", json_type(value))

    def _value(self, spec: FieldSpec, raw: Any, path: str, where: str) -> Any:
        match spec.kind:
            case "struct":
                return self._object(spec, raw, path, where)
            case "list":
                return self._list(spec, raw, path, where)
            case "other":
                try:
                    return msgspec.convert(raw, spec.annotation)
                except msgspec.ValidationError:
                    raise NotReadableError from None
            case "value":
                return self._scalar(spec, raw, path, where)

    def _scalar(self, spec: FieldSpec, raw: Any, path: str, where: str) -> Any:
        kind = spec.inner
        if issubclass(kind, OpenEnum):
            theirs = self._translation.package_values(kind)
            read = reader_of_enum(kind, theirs)(raw)
            if not read.known:
                self.record_drift(where, "value", loggable_value(raw))
            return read
        found = value_reader(spec)(raw)
        if not is_plain(kind, raw):
            if kind in _LAX and _read_lax(raw, kind) == found:
                self._learned.lax = True
            elif kind is str and isinstance(raw, int):
                self._learned.integers[path].add(spec.name)
            elif kind is datetime and is_zoneless(raw):
                self._learned.zoneless[path].add(spec.name)
            else:
                self._learned.odd[path].add(spec.name)
            self.record_drift(where, "type", json_type(raw))
        elif found is None:
            self.record_drift(where, "value", "a date that stands for none")
        return found

    def _object(self, spec: FieldSpec, raw: Any, path: str, where: str) -> Any:
        if not is_object(raw):
            members = _as_object(spec.inner, raw)  # raises for a single broken row; only a readable form is learned
            self._learned.odd[path].add(spec.name)
            self.record_drift(where, "type", json_type(raw))
            raw = members
        return self.read(spec.inner, raw, where)

    def _list(self, spec: FieldSpec, raw: Any, path: str, where: str) -> list[Any]:
        if not is_array(raw):
            parts = _as_list(spec.inner, raw)
            self._learned.odd[path].add(spec.name)
            self.record_drift(where, "type", json_type(raw))
            raw = parts
        rows: list[Any] = raw
        if not all(is_object(row) for row in rows):
            raise NotReadableError
        read: list[Any] = []
        for row in rows:
            try:
                read.append(self.read(spec.inner, row, f"{where}[]"))
            except MissingIdentityError as lacking:  # the other rows stay usable
                self.record_drift(lacking.path, "missing", "nothing")
        return read


def value_reader(spec: FieldSpec) -> Callable[[Any], Any]:
    """Return the reader function for a field that holds no enum, no object and no list."""
    return read_gtin if spec.name == "gtin" else READERS[spec.inner]


def loggable_value(value: str) -> str:
    """Return an unknown enum value if it looks like an identifier, else ``"string"`` because it may be data."""
    plain = value.strip()
    return plain if _API_WORD.fullmatch(plain) else "string"


def _read_lax(raw: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError:
        return None


def _as_object(struct: type[msgspec.Struct], raw: Any) -> JsonObject:
    """Return the members of an object that came in another known form."""
    if struct is Refusal and isinstance(raw, str):
        return {"message": raw}
    if struct is Quantities and is_array(raw):
        return _typed_quantities(raw)
    raise NotReadableError


def _typed_quantities(entries: Sequence[Any]) -> JsonObject:
    """Return ``[{"type"|"quantityType": …, "quantity"|"value": …}]`` as an object keyed by type."""
    read: JsonObject = {}
    for entry in entries:
        if not is_object(entry):
            raise NotReadableError
        members = entry
        name = _first(members, "type", "quantityType")
        if not isinstance(name, str) or name in read:
            raise NotReadableError
        read[name] = _first(members, "quantity", "value")
    return read


def _as_list(struct: type[msgspec.Struct], raw: Any) -> list[Any]:
    """Return the objects of a list that came as an object keyed by storage country."""
    if struct is Localization and is_object(raw):
        parts = raw
        if all(is_object(part) for part in parts.values()):
            return [{"storageCountry": country, **part} for country, part in parts.items()]
    raise NotReadableError


def _first(members: JsonObject, *names: str) -> Any:
    keys = (find_key(members, name) for name in names)
    return next((members[key] for key in keys if key is not None), None)
