"""Fields of the API's items for JSON, under the names that they have in Python."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, cast

import msgspec

from ..contract.base import modelled_fields

_SHOWN = {"return_": "return"}


def as_fields(item: msgspec.Struct) -> dict[str, Any]:
    """Return all fields of an item that the contract models, those of nested items too."""
    return {_SHOWN.get(name, name): _plain(getattr(item, name)) for name in modelled_fields(item)}


def _plain(value: Any) -> Any:
    match value:
        case msgspec.Struct():
            return as_fields(value)
        case Enum():
            return str(value.value)
        case list() | tuple():
            return [_plain(part) for part in cast("list[Any]", value)]
        case _:
            return value


def cell(value: object) -> str:
    """Return a value as a table shows it; times are in UTC, to the second."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)
