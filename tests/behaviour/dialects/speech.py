"""How a dialect says what the sandbox says in the contract's words, and back.

Nothing here comes from the package: the tables are those of :mod:`tests.support.dialects`, the code is this module's
own. It is strict where an API may be: what is not said exactly as the dialect has it is refused.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tests.support.dialects import OPERATIONS, STRUCTS, VALUES, Call, Dialect, Operation, Spelled, camel, parsed, pascal

Members = dict[str, Any]
PREFIX = "/seller/v2"
_TYPES: Mapping[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
_LIKELY: Mapping[str, tuple[float, float]] = {"weight_g": (20, 60_000), "length_cm": (3, 200), "width_cm": (3, 200)}
"""Grams and centimetres of goods that there are: a value that came in another unit lies outside."""
_LINK = re.compile(r"<([^>]*)>(.*)")
_STEP = re.compile(r"([^.\[\]]+)|(\[\d+\])")


class NotInDialectError(Exception):
    """A request that is not as the dialect has it: the field, by the dialect's name, and why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Route(NamedTuple):
    """An operation, and the ids in its path."""

    name: str
    ids: tuple[str, ...] = ()

    @property
    def operation(self) -> Operation:
        return OPERATIONS[self.name]


class Speech:
    """The contract's own words: nothing changes. The dialects are built on it."""

    name = "plain"

    def __init__(self) -> None:
        self._routes = [
            (operation.method.upper(), _pattern(PREFIX + self.path_of(name)), name)
            for name, operation in OPERATIONS.items()
        ]
        self._routes.sort(key=lambda route: "(" in route[1].pattern)  # a literal path before a placeholder

    def path_of(self, name: str) -> str:
        return OPERATIONS[name].path

    def route(self, method: str, path: str) -> Route | None:
        """The operation of a request; a path is taken as the dialect spells it and not otherwise."""
        for known, pattern, name in self._routes:
            if known == method and (found := pattern.fullmatch(path)):
                return Route(name, tuple(map(unquote, found.groups())))
        return None

    def query(self, route: Route, query: Members) -> Members:
        """A query in the contract's words."""
        return query

    def request(self, route: Route, body: Any) -> Any:
        """A body in the contract's words."""
        return body

    def answer(self, route: Route, body: Any) -> Any:
        """A good answer in the dialect's words."""
        return body

    def problem(self, route: Route, problem: Members) -> Members:
        """A problem with the dialect's names."""
        return problem

    def link(self, route: Route, link: str) -> str:
        """A ``Link`` header with the dialect's path and parameters."""
        return link


class PascalText(Speech):
    """All names of answers in PascalCase, and all numbers as text. Requests are read ignoring case, as .NET does."""

    name = "A"

    def answer(self, route: Route, body: Any) -> Any:
        match body:
            case dict():
                return {part[:1].upper() + part[1:]: self.answer(route, value) for part, value in body.items()}
            case list():
                return [self.answer(route, part) for part in body]
            case bool() | None | str():
                return body
            case _:
                return str(body)

    def problem(self, route: Route, problem: Members) -> Members:
        return {part[:1].upper() + part[1:]: value for part, value in problem.items()}


class Tabled(Speech):
    """The words of a :class:`~tests.support.dialects.Dialect`."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.name = dialect.name
        super().__init__()

    def path_of(self, name: str) -> str:
        return self.dialect.calls[name].path

    def _call(self, route: Route) -> Call:
        return self.dialect.calls[route.name]

    # Queries

    def query(self, route: Route, query: Members) -> Members:
        kinds = parsed(route.operation.filters)
        ours = {theirs: name for name, theirs in self._call(route).query.items()}
        plain: Members = {}
        for theirs, text in query.items():
            if theirs not in ours:
                raise NotInDialectError(theirs, "is no parameter")
            name = ours[theirs]
            plain[camel(name)] = self._word(kinds[name][0], text, theirs)
        return plain

    def link(self, route: Route, link: str) -> str:
        matched = _LINK.fullmatch(link)
        assert matched, link
        parts = urlsplit(matched[1])
        theirs = {camel(name): spelled for name, spelled in self._call(route).query.items()}
        kinds = {camel(name): kind for name, (kind, _) in parsed(route.operation.filters).items()}
        query = {theirs[name]: self._theirs(kinds[name], text) for name, text in parse_qsl(parts.query)}
        return f"<{PREFIX}{self._call(route).path}?{urlencode(query)}>{matched[2]}"

    # Requests

    def request(self, route: Route, body: Any) -> Any:
        wrap = self._call(route).wrap
        if wrap is not None:
            if not isinstance(body, dict) or set(body) != {wrap}:
                raise NotInDialectError("$", f"the body must stand in {wrap} and nothing beside it")
            body = body[wrap]
        if not route.operation.many:
            return self._read_whole(route.operation.sent, body)
        if not isinstance(body, list):
            raise NotInDialectError("$", "must be an array")
        return [self._read_whole(route.operation.sent, part) for part in body]

    def _read_whole(self, struct: str, members: Any) -> Members:
        if not isinstance(members, dict):
            raise NotInDialectError("$", f"a {struct} must be an object")
        rest = copy.deepcopy(members)
        read = self._read(struct, rest)
        for name, schema in self.dialect.extra.get(struct, {}).items():
            value = rest.pop(name, None)
            if not isinstance(value, str) or value not in schema.get("enum", [value]):
                raise NotInDialectError(name, "is required")
        if left := next(_leaves(rest), None):
            raise NotInDialectError(left, "is no member")
        return read

    def _read(self, struct: str, rest: Members) -> Members:
        """Take the fields of ``struct`` out of ``rest``."""
        read: Members = {}
        for name, (kind, required) in parsed(STRUCTS[struct]).items():
            spelled = self.dialect.fields[struct][name]
            if not spelled.path:
                if required or any(_peek(rest, inner.path) for inner in self.dialect.fields[kind].values()):
                    read[wire(struct, name)] = self._read(kind, rest)
                continue
            there, value = _take(rest, spelled.path)
            place = ".".join(spelled.path)
            if not there:
                if required:
                    raise NotInDialectError(place, "is required")
                continue
            if value is None:
                raise NotInDialectError(place, "must not be null")
            plain = self._plain(kind, value, spelled, place)
            low, high = _LIKELY.get(name, (-1e300, 1e300))
            if isinstance(plain, int | float) and not low <= plain <= high:
                raise NotInDialectError(place, f"{value} is in another unit than this field's")
            read[wire(struct, name)] = plain
        return read

    def _plain(self, kind: str, value: Any, spelled: Spelled, place: str) -> Any:
        if kind.startswith("["):
            if not isinstance(value, list):
                raise NotInDialectError(place, "must be an array")
            return [self._read_whole(kind[1:-1], part) for part in value]
        if kind in STRUCTS:
            return self._read_whole(kind, value)
        if not isinstance(value, _TYPES.get(kind, (str,))) or (isinstance(value, bool) and kind != "boolean"):
            raise NotInDialectError(place, f"must be of the type {kind}")
        if isinstance(value, str):
            return self._word(kind, value, place)
        return value if isinstance(value, bool) else _number(Decimal(str(value)) / Decimal(str(spelled.scale)))

    def _word(self, kind: str, text: str, place: str) -> str:
        """A value of an enum in the contract's spelling; other texts are no words."""
        if kind not in VALUES:
            return text
        spelled = self.dialect.values.get(kind, {})
        ours = {spelled.get(value, value): value for value in VALUES[kind].split()}
        if text not in ours:
            raise NotInDialectError(place, f"{text!r} is not one of {', '.join(ours)}")
        return ours[text]

    # Answers

    def answer(self, route: Route, body: Any) -> Any:
        operation, call = route.operation, self._call(route)
        match operation.answer:
            case "list":
                rows = [self._write(operation.read, row) for row in body["items"]]
                return _at(call.items, rows) | {"paging": {"pages": 1}}
            case "id":
                (identifier,) = body.values()
                return _at(call.identifier, identifier)
            case "count":
                return _at(call.count, body["count"])
            case _:
                return _at(call.result, self._write(operation.read, body))

    def _write(self, struct: str, members: Mapping[str, Any]) -> Members:
        rest = dict(members)
        written: Members = {}
        for name, (kind, _) in parsed(STRUCTS[struct]).items():
            if wire(struct, name) in rest:
                _put(written, self.dialect.fields[struct][name].path, self._said(kind, rest.pop(wire(struct, name))))
        assert not rest, f"the tables have no {sorted(rest)} in {struct}"
        return written

    def _said(self, kind: str, value: Any) -> Any:
        if value is None:
            return None
        if kind.startswith("["):
            return [self._write(kind[1:-1], part) for part in value]
        if kind in STRUCTS:
            return self._write(kind, value)
        return self._theirs(kind, value)

    def _theirs(self, kind: str, value: Any) -> Any:
        return self.dialect.values.get(kind, {}).get(value, value) if isinstance(value, str) else value

    def problem(self, route: Route, problem: Members) -> Members:
        errors = problem.get("errors")
        struct = route.operation.sent
        if not errors or not struct:
            return problem
        return problem | {"errors": {self._place(struct, path): messages for path, messages in errors.items()}}

    def _place(self, struct: str, path: str) -> str:
        """``lines[0].quantity`` by the dialect's names."""
        steps: list[str] = []
        for name, index in _STEP.findall(path):
            if index:
                steps = [*steps[:-1], steps[-1] + index] if steps else [index]
                continue
            ours = {wire(struct, field): field for field in parsed(STRUCTS[struct])} if struct else {}
            if name not in ours:
                steps.append(name)
                continue
            kind = parsed(STRUCTS[struct])[ours[name]][0]
            steps += self.dialect.fields[struct][ours[name]].path
            struct = kind.strip("[]") if kind.strip("[]") in STRUCTS else ""
        return ".".join(steps)


def wire(struct: str, name: str) -> str:
    """What the contract calls a field."""
    return pascal(name) if struct == "Quantities" else camel(name)


def plain_path(route: Route) -> str:
    """Where the sandbox has an operation."""
    ids = iter(route.ids)
    return PREFIX + re.sub(r"\{[^{}]+\}", lambda _: quote(next(ids), safe=""), route.operation.path)


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[^{}]+\\\}", "([^/]+)", re.escape(path)))


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _at(path: tuple[str, ...], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _put(members: Members, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        members = members.setdefault(name, {})
    members[path[-1]] = value


def _peek(members: Members, path: tuple[str, ...]) -> bool:
    return _take(copy.deepcopy(members), path)[0]


def _take(members: Members, path: tuple[str, ...]) -> tuple[bool, Any]:
    for name in path[:-1]:
        inner = members.get(name)
        if not isinstance(inner, dict):
            return False, None
        members = inner
    return (True, members.pop(path[-1])) if path[-1] in members else (False, None)


def _leaves(members: Members, before: str = "") -> Iterator[str]:
    """What is left in an object; objects that were emptied do not count."""
    for name, value in members.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield before + name
