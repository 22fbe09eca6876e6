"""The spelling of responses: one walk over their JSON, if the style differs from the contract's own form.

The handlers answer in the contract's own spelling; only this module changes it. In a problem, only the names change.
The responses of the token endpoint do not belong to the API and stay unchanged.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, cast

import msgspec

from octoffm_async.contract.contract_file.registry import STRUCTS, plain_types
from octoffm_async.contract.operations import Operation, Shape

from ..http.responses import JSON, PROBLEM_JSON, HttpReply
from ..settings import NameForm, ResponseStyle

TIMES = frozenset(
    field.encode_name
    for struct in STRUCTS.values()
    for field in msgspec.structs.fields(struct)
    if datetime in plain_types(field.type)
)
"""The members of responses that are times."""

_OWN_FIELDS = ("names", "numbers", "quantities", "refused", "cancelled", "times", "ids", "empty")
_FOREIGN_IDS = frozenset({"orderSellerId"})  # named like an id, but a text of the seller
_PARIS = timezone(timedelta(hours=1))
_LONGEST_INTEGER = 18  # digits of an integer that always fits 64 bits
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SNAKE = re.compile(r"_([a-z0-9])")


def spelling_of(style: ResponseStyle) -> "ResponseSpelling | None":
    """Return the spelling of a style; ``None`` if it is the contract's own."""
    usual = ResponseStyle()
    return (
        ResponseSpelling(style) if any(getattr(style, name) != getattr(usual, name) for name in _OWN_FIELDS) else None
    )


class ResponseSpelling:
    """Converter of responses to the spelling of a style, and of queries back to the contract's spelling."""

    def __init__(self, style: ResponseStyle) -> None:
        self._style = style
        self._words = {"Refused": style.refused, "Cancelled": style.cancelled}
        self._values = {word.casefold(): usual for usual, word in self._words.items()}

    def query(self, query: dict[str, str]) -> dict[str, str]:
        """Return a query with the statuses in the contract's words."""
        if (status := query.get("status")) is None:
            return query
        words = (word.strip() for word in status.split(","))
        return {**query, "status": ",".join(self._values.get(word.casefold(), word) for word in words)}

    def reply(self, operation: Operation[Any] | None, reply: HttpReply) -> HttpReply:
        """Return a response in this spelling; a response that is not JSON is returned unchanged."""
        if not reply.body or reply.content_type not in (JSON, PROBLEM_JSON):
            return reply
        content = msgspec.json.decode(reply.body)
        if reply.content_type == PROBLEM_JSON:
            return reply._replace(body=msgspec.json.encode(self._problem(content)))
        if self._style.empty == "204" and _is_empty_page(operation, content):
            return HttpReply(204, headers=reply.headers)
        return reply._replace(body=msgspec.json.encode(self._value("", content)))

    def _problem(self, problem: dict[str, Any]) -> dict[str, Any]:
        form = self._style.names
        errors = problem.get("errors")
        if errors:  # their names are paths such as lines[0].quantity
            renamed = {
                _WORD.sub(lambda word: respelled_name(word[0], form), path): part for path, part in errors.items()
            }
            problem = {**problem, "errors": renamed}
        return {respelled_name(name, form): part for name, part in problem.items()}

    def _value(self, name: str, value: Any) -> Any:
        match value:
            case dict():
                return self._object(name, cast("dict[str, Any]", value))
            case [*parts]:
                return [self._value(name, part) for part in parts] or (None if self._style.empty == "null" else [])
            case str():
                return self._text(name, value)
            case bool() | None:
                return value
            case _:
                return str(value) if self._style.numbers == "text" else value

    def _object(self, name: str, fields: Mapping[str, Any]) -> Any:
        form = self._style.names
        if name == "quantities" and self._style.quantities == "list":
            return [
                {respelled_name("type", form): kind, respelled_name("quantity", form): self._value(kind, number)}
                for kind, number in fields.items()
            ]
        return {respelled_name(key, form): self._value(key, part) for key, part in fields.items()}

    def _text(self, name: str, text: str) -> Any:
        if name == "status":
            return self._words.get(text, text)
        if name in TIMES:
            return _time(self._style.times, text)
        if self._style.ids == "integer" and _is_number(name, text):
            return int(text)
        return text


@lru_cache(maxsize=1024)
def respelled_name(name: str, form: NameForm) -> str:
    """Return the name of a member in one of the three forms; ``camel`` is the contract's own."""
    match form:
        case "camel":
            return name
        case "pascal":
            joined = _SNAKE.sub(lambda hump: hump[1].upper(), name)
            return joined[:1].upper() + joined[1:]
        case "snake":
            return _HUMP.sub("_", name).lower()


def _is_number(name: str, text: str) -> bool:
    """Return True if a text is an id or a ``gtin`` that an API with integer ids would give as an integer.

    A ``gtin`` loses its leading zeros in that way; an id with leading zeros stays text.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_INTEGER):
        return False
    if name == "gtin":
        return True
    return (name == "id" or name.endswith("Id")) and name not in _FOREIGN_IDS and not text.startswith("0")


def _time(form: str, text: str) -> str:
    if form == "z":
        return text
    moment = datetime.fromisoformat(text).astimezone(UTC)
    match form:
        case "zoneless":
            return moment.replace(tzinfo=None).isoformat()
        case "ticks7":
            return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}0Z"
        case _:
            return moment.astimezone(_PARIS).isoformat()


def _is_empty_page(operation: Operation[Any] | None, content: Any) -> bool:
    if operation is None or operation.shape is not Shape.PAGE:
        return False
    return not (content["items"] if isinstance(content, dict) else content)
