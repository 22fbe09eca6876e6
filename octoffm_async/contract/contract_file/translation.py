"""Translation between the package's form of a message and the form that a contract file describes. Pure functions.

A message is a JSON value (dicts, lists, texts, numbers). ``to_wire`` translates it from the contract's names to those
of the API, ``from_wire`` back. The client writes requests with the first and reads answers with the second; a sandbox
that uses the API's names does the reverse. Names in answers match regardless of case, ``_`` and ``-``.

Numbers are scaled as decimals, because 350 g are 0.35 kg and not 0.35000000000000003.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import msgspec

from ..answers.field_specs import FieldSpec, specs_of
from ..answers.json_values import is_array, is_object
from ..answers.names import find_key, folded
from ..base import OpenEnum, Request
from ..operations import OPERATIONS, Operation, Shape
from ..requests.checks import FieldProblem
from .model import ContractFile, FieldMapping, OperationMapping

EXTRA_PREFIX = b'"extra":{'
"""The bytes with which the extra members of a request begin, under the contract's names."""
_ENCODER = msgspec.json.Encoder()
_NO_OPERATION = OperationMapping()
_PLAIN = ContractFile()
JsonObject = dict[str, Any]
_LARGEST = Decimal("1e300")


class Translation:
    """Translator for one contract file; without a file, all names and values stay as the contract has them."""

    def __init__(self, file: ContractFile = _PLAIN) -> None:
        self.file: ContractFile = _with_places_of_results(file)

    def operation(self, operation: Operation[Any]) -> OperationMapping:
        """Return the file's mapping of an operation."""
        return self.file.operations.get(operation.name, _NO_OPERATION)

    def path(self, operation: Operation[Any]) -> str:
        """Return the path of an operation, with its placeholders."""
        if not self.file.operations:
            return operation.path
        return self.operation(operation).path or operation.path

    def max_items(self, operation: Operation[Any]) -> int:
        """Return the largest number of items in one request of an operation."""
        return 1 if self.operation(operation).body == "object" else operation.max_items

    # Names and values

    def mapping(self, struct: type[msgspec.Struct], name: str) -> FieldMapping | None:
        """Return the file's mapping of a field, if it has one."""
        return self.file.fields.get(struct.__name__, {}).get(name)

    def wire_name(self, struct: type[msgspec.Struct], spec: FieldSpec) -> str:
        """Return the wire name of a field that is a direct member of its object; else see :meth:`is_reshaped`."""
        mapping = self.mapping(struct, spec.name)
        return mapping.path[0] if mapping is not None and mapping.path else spec.wire

    def names_of(self, struct: type[msgspec.Struct]) -> dict[str, str]:
        """Return the fields of a struct by the folded names that its object has on the wire.

        A nested field takes the name of the object that contains it, a spread object the names of its own fields.
        """
        found: dict[str, str] = {}
        for spec in specs_of(struct):
            mapping = self.mapping(struct, spec.name)
            if mapping is not None and not mapping.path:
                found |= {name: f"{spec.name}.{inner}" for name, inner in self.names_of(spec.inner).items()}
            else:
                found[folded(spec.wire if mapping is None else mapping.path[0])] = spec.name
        return found

    def extra_problems(self, item: Request, path: str = "") -> list[FieldProblem]:
        """Return a problem for each extra member whose name the contract file gives to a field."""
        if not self.file.fields or not _may_have_extra(item):
            return []
        names = self.names_of(type(item)) if item.extra else {}
        found = [
            FieldProblem(
                f"{path}extra",
                name,
                f"is the name that the contract file gives to {names[folded(name)]}: set that field",
            )
            for name in item.extra or ()
            if folded(name) in names
        ]
        for spec in specs_of(type(item)):
            inner: Any = getattr(item, spec.name)
            if spec.kind == "struct" and inner is not None:
                found += self.extra_problems(inner, f"{path}{spec.name}.")
            elif spec.kind == "list":
                for place, part in enumerate(cast("Sequence[Request]", inner)):
                    found += self.extra_problems(part, f"{path}{spec.name}[{place}].")
        return found

    def is_reshaped(self, struct: type[msgspec.Struct]) -> bool:
        """Return True if an object of ``struct`` differs in more than the names and values of its members."""
        return any(
            len(mapping.path) != 1 or mapping.scale != 1
            for mapping in self.file.fields.get(struct.__name__, {}).values()
        )

    def api_spellings(self, enum: type[OpenEnum] | None) -> Mapping[str, str]:
        """Return the API's spelling of the package's values of an open enum."""
        return {} if enum is None else self.file.values.get(enum.__name__, {})

    def package_values(self, enum: type[OpenEnum] | None) -> dict[str, str]:
        """Return the package's text by the API's spelling, without case."""
        return {theirs.casefold(): ours for ours, theirs in self.api_spellings(enum).items()}

    # Objects

    def to_wire(self, struct: type[msgspec.Struct], members: Mapping[str, Any]) -> JsonObject:
        """Return an object in the API's spelling; members that the contract does not name stay unchanged."""
        rest = dict(members)
        written: JsonObject = {}
        for spec in specs_of(struct):
            if spec.wire not in rest:
                continue
            value = self._value_to_wire(struct, spec, rest.pop(spec.wire))
            mapping = self.mapping(struct, spec.name)
            if mapping is None:
                written[spec.wire] = value
            elif mapping.path:
                _put(written, mapping.path, value)
            elif is_object(value):
                written |= value
        extra = rest.pop("extra", None)
        added: JsonObject = dict(self.file.extra.get(struct.__name__, {}))
        given: JsonObject = extra or {}
        return rest | added | given | written

    def from_wire(self, struct: type[msgspec.Struct], members: Mapping[str, Any]) -> JsonObject:
        """Return an object of the API under the names of the contract.

        Members that are not modelled stay unchanged, unless their name belongs to another field of the contract. A
        value that cannot be scaled stays unchanged.
        """
        found, rest = self.unpack(struct, members)
        specs = specs_of(struct)
        read = {
            spec.wire: self._value_from_wire(struct, spec, found[spec.name]) for spec in specs if spec.name in found
        }
        ours = {folded(spec.wire) for spec in specs}
        return read | {name: value for name, value in rest.items() if folded(name) not in ours}

    def unpack(self, struct: type[msgspec.Struct], members: Mapping[str, Any]) -> tuple[JsonObject, JsonObject]:
        """Return the raw values of an object's fields by Python name, and the members that are not modelled."""
        rest = dict(members)
        found: JsonObject = {}
        spread: list[FieldSpec] = []
        for spec in specs_of(struct):
            mapping = self.mapping(struct, spec.name)
            if mapping is not None and not mapping.path:
                spread.append(spec)
                continue
            there, value = _take(rest, (spec.wire,) if mapping is None else mapping.path)
            if there:
                found[spec.name] = value
        for spec in spread:
            inner, rest = self._gather(spec.inner, rest)
            if inner:
                found[spec.name] = inner
        return found, rest

    def _gather(self, struct: type[msgspec.Struct], members: JsonObject) -> tuple[JsonObject, JsonObject]:
        """Separate the members of a spread object from those of its parent."""
        heads = {
            folded(mapping.path[0] if (mapping := self.mapping(struct, spec.name)) and mapping.path else spec.wire)
            for spec in specs_of(struct)
        }
        inner = {name: value for name, value in members.items() if folded(name) in heads}
        return inner, {name: value for name, value in members.items() if name not in inner}

    def _value_to_wire(self, struct: type[msgspec.Struct], spec: FieldSpec, value: Any) -> Any:
        return self._value(struct, spec, value, self.to_wire, self.api_spellings(spec.enum), to_wire=True)

    def _value_from_wire(self, struct: type[msgspec.Struct], spec: FieldSpec, value: Any) -> Any:
        return self._value(struct, spec, value, self.from_wire, self.package_values(spec.enum), to_wire=False)

    def _value(
        self,
        struct: type[msgspec.Struct],
        spec: FieldSpec,
        value: Any,
        nested: Callable[[type[msgspec.Struct], Mapping[str, Any]], JsonObject],
        words: Mapping[str, str],
        *,
        to_wire: bool,
    ) -> Any:
        if spec.kind == "struct" and is_object(value):
            return nested(spec.inner, value)
        if spec.kind == "list" and is_array(value):
            parts: list[Any] = value
            return [nested(spec.inner, part) if is_object(part) else part for part in parts]
        if words and isinstance(value, str):
            return _in_their_words(spec, value, words) if to_wire else words.get(value.strip().casefold(), value)
        return self.scaled(struct, spec, value, to_wire=to_wire)

    def scaled(self, struct: type[msgspec.Struct], spec: FieldSpec, value: Any, *, to_wire: bool) -> Any:
        """Return a value of a field times its scale, or divided by it on the way back."""
        mapping = self.mapping(struct, spec.name)
        if mapping is None or mapping.scale == 1:
            return value
        return scaled(value, Decimal(str(mapping.scale)), divide=not to_wire)

    # Bodies and queries

    def request_to_wire(self, operation: Operation[Any], body: Any) -> Any:
        """Return the JSON value of a request as the API takes it."""
        struct = cast("type[msgspec.Struct]", operation.request)
        mapping = self.operation(operation)
        if is_array(body):
            items: Any = [self.to_wire(struct, item) for item in body]
            if mapping.body == "object":
                (items,) = items
        else:
            items = self.to_wire(struct, body)
            if mapping.body == "array":
                items = [items]
        return items if mapping.wrap is None else {mapping.wrap: items}

    def request_from_wire(self, operation: Operation[Any], body: Any) -> Any:
        """Return a request that the API received in the contract's form; a body of another shape stays unchanged."""
        struct = cast("type[msgspec.Struct]", operation.request)
        mapping = self.operation(operation)
        if mapping.wrap is not None and is_object(body):
            wrapped = body
            key = find_key(wrapped, mapping.wrap)
            body = None if key is None else wrapped[key]
        if is_object(body):
            read = self.from_wire(struct, body)
            return [read] if mapping.body == "object" and operation.max_items > 1 else read
        if is_array(body):
            items = [self.from_wire(struct, part) for part in body if is_object(part)]
            return items[0] if mapping.body == "array" and operation.max_items == 1 and len(items) == 1 else items
        return body

    def query_to_wire(self, operation: Operation[Any], query: Mapping[str, str]) -> dict[str, str]:
        """Return a query under the API's names of its parameters, with the API's spelling of known values."""
        if operation.filters is None:
            return dict(query)
        names = self.operation(operation).query
        if not names and not self.file.values:
            return dict(query)
        specs = {spec.wire: spec for spec in specs_of(operation.filters)}
        written: dict[str, str] = {}
        for wire, text in query.items():
            spec = specs.get(wire)
            if spec is None:
                written[wire] = text
                continue
            words = self.api_spellings(spec.enum)
            written[names.get(spec.name, wire)] = _in_their_words(spec, text, words) if words else text
        return written

    def query_from_wire(self, operation: Operation[Any], query: Mapping[str, str]) -> dict[str, str]:
        """Return a query (of a request, or of a link to the next page) under the names of the contract."""
        if operation.filters is None:
            return dict(query)
        names = self.operation(operation).query
        specs = {folded(names.get(spec.name, spec.wire)): spec for spec in specs_of(operation.filters)}
        read: dict[str, str] = {}
        for name, text in query.items():
            spec = specs.get(folded(name))
            if spec is None:
                read.setdefault(name, text)
                continue
            read[spec.wire] = self.package_values(spec.enum).get(text.strip().casefold(), text)
        return read

    def answer_to_wire(self, operation: Operation[Any], answer: Any) -> Any:
        """Return a successful answer in the API's form; the sandbox writes its answers with it."""
        mapping = self.operation(operation)
        match operation.shape:
            case Shape.PAGE:
                struct = row_type(operation)
                rows = answer.get("items", []) if is_object(answer) else answer
                written = [self.to_wire(struct, row) for row in rows]
                if mapping.items is None:
                    return written if is_array(answer) else {**answer, "items": written}
                whole: JsonObject = (
                    {name: value for name, value in answer.items() if name != "items"} if is_object(answer) else {}
                )
                _put(whole, mapping.items, written)
                return whole
            case Shape.OBJECT | Shape.OPTIONAL | Shape.DOCUMENT if is_object(answer):
                return _wrapped(self.to_wire(operation.answer, answer), mapping.result)
            case Shape.IDENTIFIER if mapping.identifier is not None and is_object(answer):
                key = find_key(answer, operation.identifier)
                return answer if key is None else _wrapped(answer[key], mapping.identifier)
            case Shape.COUNT if mapping.count is not None:
                count = next(iter(answer.values())) if is_object(answer) else answer
                return _wrapped(count, mapping.count)
            case _:
                return answer


def _with_places_of_results(file: ContractFile) -> ContractFile:
    """Return the file with a field mapping for each list inside an answer object."""
    placed = {
        operation.answer.__name__: {"items": FieldMapping(path=mapping.items)}
        for operation in OPERATIONS
        if operation.shape is Shape.OPTIONAL
        and (mapping := file.operations.get(operation.name)) is not None
        and mapping.items is not None
    }
    return replace(file, fields={**file.fields, **placed}) if placed else file


def _may_have_extra(item: Request) -> bool:
    """Return False if no request in the item has extra members; a search in its bytes is the fastest check."""
    try:
        return _ENCODER.encode(item).rfind(EXTRA_PREFIX) >= 0
    except (TypeError, ValueError, OverflowError, RecursionError):  # only extra members can fail to encode here
        return True


def row_type(operation: Operation[Any]) -> type[Any]:
    """Return the struct of a list's rows."""
    return cast("type[Any]", operation.row)


def value_at_path(value: Any, path: tuple[str, ...]) -> tuple[bool, Any]:
    """Return True and the value at ``path`` inside nested objects, or False and None."""
    for name in path:
        key = find_key(value, name) if is_object(value) else None
        if key is None:
            return False, None
        value = value[key]
    return True, value


def spelled_path(value: Any, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``path`` in the spelling of the objects, as far as they contain it."""
    spelled: list[str] = []
    for name in path:
        key = find_key(value, name) if is_object(value) else None
        spelled.append(name if key is None else key)
        value = None if key is None else value[key]
    return tuple(spelled)


def scaled(value: Any, scale: Decimal, *, divide: bool) -> Any:
    """Return a number (or its text) times ``scale``, or divided by it; other values stay unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        number = Decimal(str(value).strip())
        product = number / scale if divide else number * scale
    except ArithmeticError:
        return value
    if not product.is_finite() or abs(product) > _LARGEST:
        return value
    return int(product) if product == product.to_integral_value() and abs(product) < 2**53 else float(product)


def _in_their_words(spec: FieldSpec, text: str, words: Mapping[str, str]) -> str:
    """Return the API's spelling of a value that a caller may give in any spelling."""
    ours = text if spec.enum is None else spec.enum(text).value
    return words.get(ours, text)


def _wrapped(value: Any, path: tuple[str, ...] | None) -> Any:
    for name in reversed(path or ()):
        value = {name: value}
    return value


def _put(members: JsonObject, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        inner = members.setdefault(name, {})
        members = inner
    members[path[-1]] = value


def _take(members: JsonObject, path: tuple[str, ...]) -> tuple[bool, Any]:
    """Remove and return the value at ``path``; its neighbours in nested objects stay."""
    key = find_key(members, path[0])
    if key is None:
        return False, None
    if len(path) == 1:
        return True, members.pop(key)
    inner = members[key]
    if not is_object(inner):
        return False, None
    rest = dict(inner)
    found, value = _take(rest, path[1:])
    if rest:
        members[key] = rest
    else:
        del members[key]
    return found, value
