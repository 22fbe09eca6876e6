"""The mistakes of a contract file: each with its line, all reported at once."""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, cast

from ..answers.names import folded

KeyPath = tuple[str, ...]

_MAX_REPORTED = 20
_LONGEST_NAME = 60
_MOST_SIGNS = 8


class ContractFileError(ValueError):
    """An error in a contract file. ``problems`` holds its mistakes, one line each, at most 20 of them."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        found = tuple(problems)
        super().__init__(source, found)  # pickle rebuilds the exception from these arguments
        self.source = source
        self.problems: tuple[str, ...] = found[:_MAX_REPORTED]
        if len(found) > _MAX_REPORTED:
            self.problems += (f"and {len(found) - _MAX_REPORTED} more mistakes",)

    def __str__(self) -> str:
        name = f"the contract file {self.source}" if self.source else "the contract file"
        return f"{name} cannot be used: " + "; ".join(self.problems)


class MistakeCollector:
    """Collector of the mistakes in one text; it finds the line of each key."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[str, int] = {}

    def add(self, key: KeyPath, says: str) -> None:
        """Add one mistake at a key, such as ``("fields", "Stock", "gtin")``."""
        lines = self._lines
        line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), 0)
        self._found.setdefault(f"line {line}: {says}" if line else says, line)

    def add_unknown_name(self, key: KeyPath, thing: str, known: Iterable[str]) -> None:
        """Add a mistake for a name that the package does not have, with the nearest one that it has."""
        self.add(key, f"{thing} {quoted_name(key[-1])} is not known{nearest_hint(key[-1], known)}")

    @cached_property
    def _lines(self) -> Mapping[KeyPath, int]:
        return key_lines(self._text)

    @property
    def messages(self) -> list[str]:
        """The mistakes in the order of their lines."""
        return sorted(self._found, key=lambda one: self._found[one])


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest valid name, or all names if there are few, or an empty string."""
    names = list(known)
    by_fold = {folded(one): one for one in names}
    close = difflib.get_close_matches(folded(name)[:_LONGEST_NAME], by_fold, n=1, cutoff=0.6)
    if close:
        return f"; do you mean {by_fold[close[0]]}?"
    return f"; known are {', '.join(names)}" if 0 < len(names) <= 8 else ""


def quoted_name(name: str) -> str:
    """Return a name from the file, shortened and without control characters."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Return the first line of each key in a TOML text, from single lines only; ``tomllib`` gives no line numbers."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        if closing:  # inside a multi-line string
            closing = "" if line.count(closing) % 2 else closing
            continue
        closing = next((quotes for quotes in ('"""', "'''") if line.count(quotes) % 2), "")
        stripped = line.strip()
        if stripped.startswith("["):
            if (header := _header(stripped)) is not None:
                table = header
                _note(found, table, number)
        elif "=" in stripped and not stripped.startswith("#"):
            for key in _keys(stripped):
                _note(found, table + key, number)
    return found


def _note(found: dict[KeyPath, int], key: KeyPath, number: int) -> None:
    for length in range(1, len(key) + 1):
        found.setdefault(key[:length], number)


def _header(line: str) -> KeyPath | None:
    parsed = _parsed(line)
    return None if parsed is None else next(_paths(parsed), None)


def _keys(line: str) -> list[KeyPath]:
    """Return the keys that a line sets; only the first if its value continues on the next line."""
    if (parsed := _parsed(line)) is None:
        parts = line.split("=")
        starts = (_parsed("=".join(parts[:length]) + "=0") for length in range(1, min(len(parts), _MOST_SIGNS)))
        parsed = next((one for one in starts if one is not None), dict[str, Any]())
    return list(_paths(parsed))


def _paths(table: Mapping[str, object]) -> Iterator[KeyPath]:
    """Yield the keys of a table and of its inner tables; of a list of tables, those of the first."""
    for name, value in table.items():
        inner = next(iter(cast("list[object]", value)), None) if isinstance(value, list) else value
        deeper = list(_paths(cast("dict[str, object]", inner))) if isinstance(inner, dict) else []
        yield from [(name, *path) for path in deeper] or [(name,)]


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(line)
    except (ValueError, RecursionError):
        return None
