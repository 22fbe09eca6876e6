"""The base of requests and answers: their conversion to and from dictionaries, JSON, and pydantic's schemas."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Self, TypeGuard, cast

import msgspec

from ..problems import OctoffmError, ValidationError
from ..requests.checks import FieldProblem
from .fields import fields_of
from .reader import DictReader
from .times import plain_time

_PLAIN = frozenset({str, int, float, bool, type(None)})


class Convertible:
    """Conversions of a struct. JSON has the API's own names; a Python dictionary has Python's.

    ``dict(row)`` and ``{**row}`` are the JSON object, for frameworks that fall back on them, such as FastAPI.

    No field can be assigned; ``msgspec.structs.replace(order, storage_country="DE")`` (from Python 3.13
    ``copy.replace``) makes a changed copy. Lists in it are plain lists, so it has no hash: keep rows in a dictionary by
    their id or reference.
    """

    __slots__ = ()
    keeps_unknown: ClassVar[bool] = False
    """True if members that the package does not model are kept wherever they stand: those of answers are."""
    __iter__ = None  # ``dict`` asks for keys; a loop over a single row is a mistake

    def to_dict(self, *, wire: bool = False) -> dict[str, Any]:
        """Return the fields as a dictionary, those of nested objects too.

        By default it has Python's names (``return`` for ``return_``) and values: times are ``datetime``, and members
        that the package does not model stand under ``extra``, if there are any. With ``wire`` it is the JSON object
        that the API speaks, ready for ``json.dumps``: times are text, and unmodelled members stand beside the others.
        A field that the API did not say is ``None``, never zero or empty text. The JSON object of a request leaves
        out what was not given.
        """
        found: dict[str, Any] = {}
        for field in fields_of(cast("Any", type(self))):
            value = getattr(self, field.name)
            if not wire:
                found[field.key] = _python_form(value)
            elif value is not None or self.keeps_unknown:
                # Nearly all values are plain, and the abstract classes of json_form cost far more to ask.
                found[field.wire] = value if type(value) in _PLAIN else json_form(value)
        extra: Mapping[str, Any] | None = cast("Any", self).extra
        if extra and wire:
            return found | {name: json_form(value) for name, value in extra.items() if name not in found}
        return found | {"extra": dict(extra)} if extra else found

    @classmethod
    def from_dict(cls, members: Mapping[str, Any], /) -> Self:
        """Return the object of a dictionary, with the names of :meth:`to_dict` in either form.

        Unknown names are an error for a request, which would be sent without them; an answer keeps them in ``extra``.

        Raises:
            ValidationError: Fields are missing, unknown or of another type; the error names each of them.
        """
        reader = DictReader(wire=False)
        found = reader.read(cls, members)
        if reader.problems:
            problems = [FieldProblem(each.path, each.value, each.reason) for each in reader.problems]
            raise ValidationError(cls.__name__, problems=problems)
        return cast("Self", found)

    def to_json(self) -> str:
        """Return the JSON text, with the API's own names."""
        return json.dumps(self.to_dict(wire=True), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], extra: Mapping[str, Any]) -> Self:
        """Return the object with these fields (by Python names) and members that are not modelled."""
        make: Any = cls
        return cast("Self", make(**fields, extra=dict(extra) or None))

    def keys(self) -> list[str]:
        """Return the names of the JSON object."""
        return [*self.to_dict(wire=True)]

    def __getitem__(self, name: str) -> Any:
        """Return a member of the JSON object by its name."""
        for field in fields_of(cast("Any", type(self))):
            if field.wire == name and ((value := getattr(self, field.name)) is not None or self.keeps_unknown):
                return json_form(value)
        return json_form((cast("Any", self).extra or {})[name])

    def __replace__(self, /, **changes: Any) -> Self:
        """Return a copy with some fields changed, for ``copy.replace``."""
        fields = {field.name: getattr(self, field.name) for field in fields_of(cast("Any", type(self)))}
        extra = changes.pop("extra", cast("Any", self).extra)
        if unknown := changes.keys() - fields.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return self.from_fields(fields | changes, extra or {})

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: Any) -> Any:
        """Return the schema with which pydantic reads and writes this type."""
        from .pydantic_schema import struct_schema

        return struct_schema(cls, handler.generate_schema)


def _python_form(value: Any) -> Any:
    if isinstance(value, Convertible):
        return value.to_dict()
    return [_python_form(part) for part in value] if _is_list(value) else value


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def json_form(value: Any) -> Any:
    """Return a value with nothing in it that ``json.dumps`` refuses, as far as types of this package go."""
    match value:
        case Convertible():
            return value.to_dict(wire=True)
        case Enum():
            return value.value
        case datetime():
            return msgspec.to_builtins(plain_time(value))
        case Mapping():
            return {name: json_form(part) for name, part in cast("Mapping[str, Any]", value).items()}
        case _ if _is_list(value):
            return [json_form(part) for part in value]
        case msgspec.Struct():
            return {name: json_form(part) for name, part in msgspec.structs.asdict(value).items()}
        case OctoffmError():
            return {"type": type(value).__name__, "message": str(value)}
        case _:
            return value


def json_default(value: object) -> Any:
    """Return the JSON form of an answer, a request, an outcome or a time, for ``json.dumps(…, default=json_default)``.

    Django takes it as ``JsonResponse(data, json_dumps_params={"default": json_default})``.

    Raises:
        TypeError: The value is none of these.
    """
    if isinstance(value, Convertible | msgspec.Struct | datetime | OctoffmError):
        return json_form(value)
    raise TypeError(f"{type(value).__name__} is not JSON, and json_default does not know it")
