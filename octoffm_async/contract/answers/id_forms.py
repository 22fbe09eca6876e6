"""The form of the ids of one account, learned from those that it gave. Pure.

An API gives ids of one form: GUIDs, numbers that grow, or words of one pattern (``OS-2026-000123``). After ``ENOUGH``
ids of one form, an id of a clearly different one is odd: its response may belong to another request. None of this is a
proof, so odd ids are looked up; one that proves right extends the usual forms. An API that mixes forms thus costs one
look-up a form.

An id is odd if its kind is not established while another one is, or if it differs from the ids of its kind: by more
than ``SLACK`` characters in length, by a class of characters that no id had, by having no digit where all have some, or
by another prefix (``OS-``) than all have. Random words that lack a class for a while are odd although they are right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 100
"""Characters of an id; a GUID has 36."""
GUID = re.compile(r"\{?[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?", re.ASCII | re.IGNORECASE)
NO_ID = re.compile(r"[^0-9]*|-[0-9.,]+(?:[eE][-+]?[0-9]+)?|[{}0.-]+")
"""A text without a digit, a number below zero, or nothing but zeros."""
_GIVEN = re.compile(r"[A-Za-z0-9][\w.:~-]*", re.ASCII)
ENOUGH = 3
"""Ids after which a form is established."""
SLACK = 2
"""Characters by which an id may be longer or shorter than those before: numbers grow, and random ids vary."""
_PREFIX = re.compile(r"[A-Za-z]+[-_.:/]")
_NOT_A_NUMBER = "(?=[0-9]*[^0-9])"
_NOT_A_GUID = "(?!.{8}-.{4}-.{4}-.{4}-.{12}$)"
_CLASSES = {"0": "0-9", "a": "a-z", "A": "A-Z"}

IdKind: TypeAlias = Literal["GUID", "number", "word"]


def can_be_id(text: str) -> bool:
    """Return True if a text in a response can be the id of a created object."""
    return 0 < len(text) <= LONGEST and " " not in text and text.isprintable() and not NO_ID.fullmatch(text)


def is_identifier(text: str) -> bool:
    """Return True if a text from a person can be the id of a created object."""
    return can_be_id(text) and bool(GUID.fullmatch(text) or _GIVEN.fullmatch(text))


def is_guid(text: str) -> bool:
    """Return True for a text with the layout of a GUID."""
    return len(text) == 36 and text[8:24:5] == "----"


def kind_of(text: str) -> IdKind:
    """Return the kind of id that a text would be."""
    if is_guid(text):
        return "GUID"
    return "number" if text.isascii() and text.isdigit() else "word"


class Forms:
    """The forms of the ids of one account and one collection."""

    def __init__(self) -> None:
        self.example: str = ""
        """The last id that was added."""
        self.guids: bool = False
        """True if GUIDs are established. It is read for each id, and costs less than :attr:`usual`."""
        self.usual: Callable[[str], object] = _NOTHING
        """A match function for ids exactly like earlier ones; an id that it does not match may fit all the same."""
        self._seen: dict[IdKind, _Seen] = {}

    def fits(self, text: str) -> bool:
        """Return False for an id that is odd."""
        seen = self._seen.get(kind_of(text))
        if seen is not None and seen.established:
            return seen.holds(text)
        return not any(other.established for other in self._seen.values())

    def add(self, text: str, *, proven: bool = False) -> None:
        """Add an id that is believed; one that is ``proven`` makes its form usual by itself."""
        self.example = text
        seen = self._seen.setdefault(kind_of(text), _Seen())
        seen.add(text)
        seen.established |= proven or seen.count >= ENOUGH
        self.guids = "GUID" in self._seen and self._seen["GUID"].established
        # An id of a kind that is not established must not pass as one of another kind that is.
        patterns = [
            each.pattern(is_word=kind == "word")
            for kind, each in self._seen.items()
            if each.established and kind != "GUID"
        ]
        self.usual = re.compile("|".join(patterns)).fullmatch if patterns else _NOTHING


class _Seen:
    """The common properties of the ids of one kind."""

    def __init__(self) -> None:
        self.count = 0
        self.established = False
        self._least = self._most = 0
        self._classes = ""
        self._prefix = ""
        self._digits = True

    def add(self, text: str) -> None:
        size, prefix = len(text), _PREFIX.match(text)
        if not self.count:
            self._least, self._most, self._prefix = size, size, prefix[0] if prefix else ""
        elif not text.startswith(self._prefix):
            self._prefix = ""
        self._least, self._most = min(self._least, size), max(self._most, size)
        self._classes = "".join(sorted({*self._classes, *map(_class, text)}))
        self._digits &= "0" in map(_class, text)
        self.count = min(self.count + 1, ENOUGH)

    def holds(self, text: str) -> bool:
        is_near = self._least - SLACK <= len(text) <= self._most + SLACK
        classes = {_class(sign) for sign in text}
        has_all = text.startswith(self._prefix) and ("0" in classes or not self._digits)
        return is_near and has_all and classes.issubset(self._classes)

    def pattern(self, *, is_word: bool) -> str:
        signs = "".join(_CLASSES.get(sign) or re.escape(sign) for sign in self._classes)
        digit = "(?=[^0-9]*[0-9])" if self._digits else ""
        start = f"(?={re.escape(self._prefix)})" if self._prefix else _NOT_A_NUMBER if is_word else ""
        no_guid = _NOT_A_GUID if "-" in self._classes and self._least <= 36 <= self._most else ""
        return f"{start}{no_guid}{digit}[{signs}]{{{self._least},{self._most}}}"


def _class(sign: str) -> str:
    """Return one character for all of a class; one that is neither digit nor Latin letter stands for itself."""
    if not sign.isascii() or not sign.isalnum():
        return sign
    return "0" if sign.isdigit() else "a" if sign.islower() else "A"


def _NOTHING(text: str) -> None:  # noqa: N802  (a constant)
    """Match no id."""
