"""Reading of requests and answers from dictionaries, with every problem named and placed.

A dictionary may have the names of Python (``address_line1``), of our own dictionaries (``return`` for ``return_``) or
of the wire (``addressLine1``). Values have their own type: no number is read out of text.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple, TypeGuard, cast

import msgspec

from .fields import StructField, fields_of
from .times import plain_time

MISSING = "is missing"


class PlacedProblem(NamedTuple):
    """A problem at one place of a dictionary; ``where`` leads to it, ``reason`` says why it cannot be read."""

    where: tuple[str | int, ...]
    value: object
    reason: str

    @property
    def path(self) -> str:
        """The place as text, such as ``lines[0].quantity``."""
        parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.where)
        return "".join(parts).removeprefix(".")


class DictReader:
    """A reader of one dictionary. It goes on after a problem, so that all of them are known at once."""

    def __init__(self, *, wire: bool) -> None:
        self.problems: list[PlacedProblem] = []
        self._wire = wire
        """Name missing fields by their wire names."""

    def read(self, struct: Any, value: object, where: tuple[str | int, ...] = ()) -> Any:
        """Return a dictionary as ``struct``, None if there are problems."""
        if isinstance(value, struct):
            return value
        if not _is_mapping(value):
            return self._refuse(where, value, f"is {type(value).__name__}, not an object")
        names = _names(struct)
        found: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        keys: dict[str, str] = {}
        for key, member in value.items():
            field = names.get(key)
            if field is None:
                rest[key] = member
            elif field.name in keys:
                self._refuse((*where, key), member, f"is the same field as {keys[field.name]}")
            else:
                keys[field.name] = key
                found[field.name] = self._member(field, member, (*where, key))
        for field in fields_of(struct):
            if field.required and field.name not in found:
                self._refuse((*where, field.wire if self._wire else field.name), None, MISSING)
        extra = self._extra(struct, rest, where)
        known = {name: member for name, member in found.items() if member is not None}
        before = len(self.problems)
        return None if before else struct.from_fields(known, extra)

    def _extra(self, struct: Any, rest: dict[str, Any], where: tuple[str | int, ...]) -> dict[str, Any]:
        """Return the members that the package does not model; a request has them under ``extra`` only."""
        extra = rest.pop("extra", None)
        if extra is not None and not isinstance(extra, Mapping):
            self._refuse((*where, "extra"), extra, f"is {type(extra).__name__}, not an object")
            extra = None
        if struct.keeps_unknown:
            return {**rest, **cast("Mapping[str, Any]", extra or {})}
        names = [field.wire if self._wire else field.name for field in fields_of(struct)]
        for key, member in rest.items():
            near = get_close_matches(str(key), names, 1)
            hint = f"did you mean {near[0]}?" if near else "members that are not modelled go into extra"
            self._refuse((*where, key), member, f"is not a field of {struct.__name__}; {hint}")
        return dict(cast("Mapping[str, Any]", extra or {}))

    def _member(self, field: StructField, value: object, where: tuple[str | int, ...]) -> Any:
        if value is None:
            return self._refuse(where, None, "is null") if field.required else None
        if field.kind == "struct":
            return self.read(field.inner, value, where)
        if field.kind == "list" and isinstance(value, Sequence) and not isinstance(value, str | bytes):
            parts = cast("Sequence[object]", value)
            return [self.read(field.inner, part, (*where, place)) for place, part in enumerate(parts)]
        try:
            return _leaf(field, value)
        except msgspec.ValidationError:
            wanted = "a list" if field.kind == "list" else getattr(field.inner, "__name__", str(field.inner))
            return self._refuse(where, value, f"is {type(value).__name__}, not {wanted}")
        except ValueError as error:  # not a time
            return self._refuse(where, value, str(error))

    def _refuse(self, where: tuple[str | int, ...], value: object, reason: str) -> None:
        self.problems.append(PlacedProblem(where, value, reason))


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _leaf(field: StructField, value: object) -> Any:
    if isinstance(value, datetime) and field.inner is datetime:
        return plain_time(value)
    if isinstance(value, str) and isinstance(field.inner, type) and issubclass(field.inner, str):
        return value if isinstance(value, field.inner) else field.inner(value)  # an open enum
    return msgspec.convert(value, field.annotation)


@lru_cache(maxsize=256)
def _names(struct: Any) -> dict[str, StructField]:
    return {name: field for field in fields_of(struct) for name in (field.wire, field.key, field.name)}
