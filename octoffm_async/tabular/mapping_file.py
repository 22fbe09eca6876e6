"""A mapping that can be kept in a TOML file: the column of each field, and values for all rows."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..contract.contract_file.settings_text import decode_settings
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping as Pairs
    from os import PathLike

_BARE = re.compile("[A-Za-z0-9_-]+")


class Mapping(NamedTuple):
    """``columns`` by field, ``values`` by field."""

    columns: dict[str, str]
    values: dict[str, str]

    def with_(self, columns: Pairs[str, str], values: Pairs[str, str]) -> Mapping:
        """Return the mapping with more entries, which win; a field is either mapped or set, by its last entry."""
        kept_columns = {name: column for name, column in self.columns.items() if name not in values}
        kept_values = {name: value for name, value in self.values.items() if name not in columns}
        return Mapping(kept_columns | dict(columns), kept_values | dict(values))


def load_mapping(path: str | PathLike[str]) -> Mapping:
    """Read a mapping.

    Raises:
        ConfigurationError: The file cannot be read, or is not a mapping.
    """
    try:
        table = tomllib.loads(decode_settings(Path(path).read_bytes()))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    if unknown := table.keys() - {"map", "set"}:
        raise ConfigurationError(f"{path}: no section {', '.join(sorted(unknown))}; there are [map] and [set]")
    return Mapping(_section(path, table, "map"), _section(path, table, "set"))


def save_mapping(path: str | PathLike[str], mapping: Mapping) -> None:
    """Write a mapping, replacing an older one.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    parts = [
        f"[{section}]\n"
        + "".join(
            f"{name if _BARE.fullmatch(name) else _quoted(name)} = {_quoted(value)}\n" for name, value in pairs.items()
        )
        for section, pairs in (("map", mapping.columns), ("set", mapping.values))
    ]
    try:
        Path(path).write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None


def _section(path: str | PathLike[str], table: dict[str, Any], name: str) -> dict[str, str]:
    section = table.get(name, {})
    if not isinstance(section, dict):
        raise ConfigurationError(f"{path}: {name} is not a section [{name}]")
    found = dict(_flattened(cast("dict[str, Any]", section)))
    if wrong := [field for field, value in found.items() if isinstance(value, list | dict)]:
        raise ConfigurationError(f"{path}: {name}.{wrong[0]} is not one value")
    return {field: str(value).lower() if isinstance(value, bool) else str(value) for field, value in found.items()}


def _flattened(section: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return dotted names with their values, for quoted names and for nested tables."""
    return [
        pair
        for name, value in section.items()
        for pair in (
            _flattened(cast("dict[str, Any]", value), f"{before}{name}.")
            if isinstance(value, dict)
            else [(before + name, value)]
        )
    ]


def _quoted(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
