"""The censor of answers: lets names of fields and values of enums pass, never a text that could be data of a person.

A name may be the key of a map, which is data (a reference, an id). A word in a field named ``status`` may be a
customer's text. So the censor keeps a name or a word only if it has the form of one, and can be nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec.inspect import EnumType, StructType, multi_type_info

from ..contract.access import Counted, Problem, TokenAnswer, TokenRefusal
from ..contract.answers.names import folded
from ..contract.common import DocumentAnswer
from ..contract.operations import OPERATIONS, Shape

if TYPE_CHECKING:
    from collections.abc import Collection

NAMES_MOST = 60
"""Maximum of names of one object; an object with more of them is a map whose keys are data."""
WORDS_MOST = 20
"""Maximum of different values of one field; a field with more of them is not an enum."""
_SEEN_MOST = 50_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")
_UPPER = re.compile(r"[A-Z]+(?:_[A-Z]+)*")
_PASCAL = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_HEX = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_PASCAL_PART = r"[\"'`]?[A-Z][A-Za-z]{1,39}[\"'`]?"
_LISTED = re.compile(rf"{_PASCAL_PART}(?:\s*(?:,\s*(?:or|and)\s|[,|/;]|\bor\b|\band\b)\s*{_PASCAL_PART})+")
_LONGEST = 40
_DIGITS_MOST = 3
"""Maximum of digits in a name; a name with more digits is an id or a reference."""
_ENUM_ENDINGS = ("status", "state", "type", "reason")
_OF_PEOPLE = ("address", "customer", "recipient", "contact", "buyer", "person", "consignee", "billing", "shipto")
"""Parts of the names of objects that describe a person: a ``state`` in one is a part of a country."""


def is_header_name(name: str) -> bool:
    """Return True if the name of a header may be kept."""
    return _NAME.fullmatch(name) is not None and sum(map(str.isdigit, name)) <= _DIGITS_MOST


def enum_words_in(text: str) -> list[str]:
    """Return the values of an enum that a message lists: words in a row of which the contract knows at least one."""
    found: list[str] = []
    for run in _LISTED.findall(text[:10_000]):
        words = [word for word in re.findall(r"[A-Z][A-Za-z]{1,39}", run) if word not in ("or", "and")]
        if any(folded(word) in KNOWN_WORDS for word in words):
            found += words
    return list(dict.fromkeys(found))[: 2 * WORDS_MOST]


class Censor:
    """The censor of the answers of one probe.

    It never keeps ``secrets``, whatever their form; the caller may add more of them later.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = secrets
        self._values: set[str] = set()

    def remember(self, body: object) -> None:
        """Remember the texts of a body that are values: the same text as a name is the key of a map."""
        waiting = [body]
        while waiting and len(self._values) < _SEEN_MOST:
            match waiting.pop():
                case str() as text if len(text) <= NAMES_MOST:
                    self._values.add(text)
                case list() as items:  # pyright: ignore[reportUnknownVariableType]
                    waiting += items  # pyright: ignore[reportUnknownArgumentType]
                case dict() as members:  # pyright: ignore[reportUnknownVariableType]
                    waiting += members.values()  # pyright: ignore[reportUnknownArgumentType]
                case _:
                    pass

    def name(self, name: str) -> str | None:
        """Return the name of a field, or ``None`` if it may be data."""
        if name in self._secrets:
            return None
        if folded(name) in KNOWN_NAMES and len(name) <= _LONGEST:
            return name
        plain = _NAME.fullmatch(name) is not None and _HEX.fullmatch(name) is None
        return name if plain and sum(map(str.isdigit, name)) <= _DIGITS_MOST and name not in self._values else None

    def word(self, text: str, path: tuple[str, ...]) -> str | None:
        """Return the value of a field if it is a word of an enum, or ``None`` if it may be data."""
        last = folded(path[-1]) if path else ""
        if text in self._secrets or any(part in folded(name) for name in path[:-1] for part in _OF_PEOPLE):
            return None
        if last in _COUNTRY_NAMES:
            return text if _COUNTRY.fullmatch(text) else None
        if len(text) > _LONGEST:
            return None
        if last in ENUM_NAMES and (folded(text) in KNOWN_WORDS or _UPPER.fullmatch(text)):
            return text
        return text if last.endswith(_ENUM_ENDINGS) and _PASCAL.fullmatch(text) else None


_COUNTRY_NAMES = frozenset({"storagecountry"})


def _structs() -> list[type]:
    answers = [one.answer for one in OPERATIONS if one.shape is not Shape.IDENTIFIER and one.answer is not int]
    filters = [one.filters for one in OPERATIONS if one.filters is not None]
    return [*answers, *filters, Problem, TokenAnswer, TokenRefusal, Counted, DocumentAnswer]


def _contract_words() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the names of fields, the names of enum fields, and the values of enums, each folded."""
    names: set[str] = set()
    enums: set[str] = set()
    words: set[str] = set()
    waiting: list[Any] = list(multi_type_info(_structs()))
    seen: set[int] = set()
    while waiting:
        kind = waiting.pop()
        if id(kind) in seen:
            continue
        seen.add(id(kind))
        if isinstance(kind, StructType):
            for field in kind.fields:
                names.add(folded(field.encode_name))
                known = _known_values(field.type)
                if known:
                    enums.add(folded(field.encode_name))
                    words |= {folded(word) for word in known}
                waiting.append(field.type)
            continue
        for part in ("type", "types", "item_type"):
            inner = getattr(kind, part, ())
            waiting += inner if isinstance(inner, tuple) else [inner]
    return frozenset(names), frozenset(enums), frozenset(words)


def _known_values(kind: Any) -> list[str]:
    if isinstance(kind, msgspec.inspect.Metadata):
        extra: Any = cast("Any", kind).extra_json_schema
        return [*(extra.get("x-known-values", ()) if extra else ()), *_known_values(kind.type)]
    if isinstance(kind, msgspec.inspect.UnionType):
        return [word for one in kind.types for word in _known_values(one)]
    return [member.value for member in kind.cls] if isinstance(kind, EnumType) else []


KNOWN_NAMES, ENUM_NAMES, KNOWN_WORDS = _contract_words()
