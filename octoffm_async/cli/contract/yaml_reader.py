"""A careful reader and a writer of JSON and YAML documents, which come from elsewhere.

YAML is read by its core schema: no times, no ``yes`` and ``no``, no tags that make objects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import msgspec
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOST_BYTES = 16 * 1024 * 1024
_MOST_VALUES = 5_000_000
_NESTING = 200

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,3})?")
_MARKUP = re.compile(r"\s*<(!doctype|html|\?xml)\b", re.IGNORECASE)
_PLAIN_TAGS = tuple(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))


class UnreadableDocumentError(ValueError):
    """A document that cannot be read; the message gives the reason in one line."""


def read_document(path: Path) -> object:
    """Read a document from a JSON or YAML file; the content decides which."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableDocumentError(error.strerror or str(error)) from None
    if len(content) > MOST_BYTES:
        raise UnreadableDocumentError(f"it is larger than {MOST_BYTES // 1024**2} MB")
    return parse_document(content)


def parse_document(content: bytes) -> object:
    """Parse a document from bytes of JSON or YAML in UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocumentError(f"it is not UTF-8 (byte {error.start})") from None
    if not text.strip():
        raise UnreadableDocumentError("it is empty")
    if _MARKUP.match(text):
        raise UnreadableDocumentError("it is HTML or XML: a page may have been saved instead of the file")
    if text.lstrip().startswith(("{", "[")):
        try:
            return msgspec.json.decode(text)
        except RecursionError:
            raise UnreadableDocumentError("it is nested too deeply") from None
        except msgspec.DecodeError:
            pass  # YAML may begin with a bracket too
    try:
        return _YamlReader().read(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise UnreadableDocumentError(f"it is neither JSON nor YAML: {' '.join(str(error).split())}") from None


def json_text(document: object) -> str:
    """Return a document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def yaml_text(document: object) -> str:
    """Return a document as YAML, without anchors."""
    unshared = msgspec.json.decode(msgspec.json.encode(document))
    dump = cast("Callable[..., Any]", yaml.dump)  # pyright: ignore[reportUnknownMemberType]  (its stubs)
    return str(dump(unshared, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


class _Dumper(_DUMPER):  # type: ignore[misc]
    """A dumper that also quotes text which is a number by the core schema only, such as ``1e3``."""


def _represent_text(dumper: Any, text: str) -> object:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if _NUMBER.fullmatch(text) else None)


_Dumper.add_representer(str, _represent_text)


class _Open:
    """A mapping or a list that is being read. ``size`` counts its values with those of its aliases."""

    __slots__ = ("anchor", "is_list", "parts", "size")

    def __init__(self, *, is_list: bool, anchor: str | None) -> None:
        self.is_list = is_list
        self.anchor = anchor
        self.parts: list[Any] = []
        self.size = 1


class _YamlReader:
    """A builder of a document from YAML events, with bounds on nesting and on the values that aliases stand for."""

    def __init__(self) -> None:
        self._open = [_Open(is_list=True, anchor=None)]
        self._anchors: dict[str, tuple[Any, int]] = {}

    def read(self, events: Iterator[Any]) -> object:
        for event in events:
            match event:
                case yaml.AliasEvent():
                    anchor = str(event.anchor)
                    if anchor not in self._anchors:
                        raise UnreadableDocumentError(f"the alias {anchor[:40]!r} refers to nothing before it")
                    self._add(*self._anchors[anchor])
                case yaml.ScalarEvent():
                    self._finish(_scalar(event), 1, event.anchor)
                case yaml.CollectionStartEvent():
                    if len(self._open) > _NESTING:
                        raise UnreadableDocumentError("it is nested too deeply")
                    is_list = isinstance(event, yaml.SequenceStartEvent)
                    self._open.append(_Open(is_list=is_list, anchor=event.anchor))
                case yaml.CollectionEndEvent():
                    done = self._open.pop()
                    value = done.parts if done.is_list else _mapping(done.parts)
                    self._finish(value, done.size, done.anchor)
                case _:
                    pass
        documents = self._open[0].parts
        if len(documents) != 1:
            raise UnreadableDocumentError("it is empty" if not documents else "it holds more than one YAML document")
        return documents[0]

    def _finish(self, value: object, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        self._add(value, size)

    def _add(self, value: object, size: int) -> None:
        inside = self._open[-1]
        inside.parts.append(value)
        inside.size += size
        if inside.size > _MOST_VALUES:
            raise UnreadableDocumentError(f"its aliases stand for more than {_MOST_VALUES:,} values")


class _Merge(str):
    """The key ``<<`` where it is not quoted."""

    __slots__ = ()


def _scalar(event: Any) -> object:
    text: str = event.value
    plain = event.implicit[0]
    if not plain and event.tag not in _PLAIN_TAGS:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return _Merge(text) if text == "<<" else text


def _mapping(parts: list[Any]) -> dict[object, Any]:
    """Return a mapping of alternating keys and values. Written keys win over merged ones, earlier merges over later."""
    found: dict[object, Any] = {}
    merged: list[object] = []
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        if isinstance(key, _Merge):
            merged += cast("list[object]", value) if isinstance(value, list) else [value]
        else:
            hashable = key is None or isinstance(key, str | int | float)
            found[key if hashable else repr(key)[:80]] = value
    for one in merged:
        if isinstance(one, dict):
            for key, value in cast("dict[object, Any]", one).items():
                found.setdefault(key, value)
    return found
