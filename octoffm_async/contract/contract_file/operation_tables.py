"""Parsing of one operation in a contract file: its path, the form of its body, its filters, and paths to results."""

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from ..operations import Operation, Shape
from .model import OperationMapping
from .problems import KeyPath, MistakeCollector, nearest_hint, quoted_name
from .registry import fields_of
from .wire_names import is_wire_name, wire_path

_PATH = re.compile(r"(/[A-Za-z0-9._~{}!$&'()*+,;=:@%-]+)+")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_SHAPES: Mapping[str, tuple[Shape, ...]] = {
    "items": (Shape.PAGE, Shape.OPTIONAL),
    "result": (Shape.OBJECT, Shape.DOCUMENT),
    "id": (Shape.IDENTIFIER,),
    "count": (Shape.COUNT,),
}
_ANSWERS = {
    Shape.PAGE: "a list",
    Shape.OPTIONAL: "a list or nothing",
    Shape.OBJECT: "an object",
    Shape.DOCUMENT: "a document",
    Shape.IDENTIFIER: "an id",
    Shape.COUNT: "a number",
}
_KEYS = ("path", "body", "query", *_SHAPES)

_Form = Literal["array", "object"] | None


def operation_mapping(
    problems: MistakeCollector, operation: Operation[Any], table: Mapping[str, Any]
) -> OperationMapping:
    """Read the table of one operation; mistakes are reported to ``problems`` and left out."""
    here: KeyPath = ("operations", operation.name)
    where: dict[str, tuple[str, ...] | None] = {}
    for name, said in table.items():
        if name not in _KEYS:
            problems.add((*here, name), f"{operation.name} can have {', '.join(_KEYS)}; not {quoted_name(name)}")
        elif name in _SHAPES and operation.shape not in _SHAPES[name]:
            says = f"{operation.name} answers {_ANSWERS[operation.shape]}, so {name} has no meaning"
            problems.add((*here, name), says)
        elif name in _SHAPES:
            where[name] = wire_path(problems, (*here, name), said, f"{name} of {operation.name}")
    wrap, body = _body(problems, operation, table)
    return OperationMapping(
        path=_path(problems, operation, table),
        wrap=wrap,
        body=body,
        query=_query(problems, operation, table),
        items=where.get("items"),
        result=where.get("result"),
        identifier=where.get("id"),
        count=where.get("count"),
    )


def _path(problems: MistakeCollector, operation: Operation[Any], table: Mapping[str, Any]) -> str | None:
    if "path" not in table:
        return None
    key, said = ("operations", operation.name, "path"), table["path"]
    if not isinstance(said, str) or not said.startswith("/"):
        problems.add(key, f"the path of {operation.name} does not start with /")
    elif not _PATH.fullmatch(said) or {".", ".."} & set(said.split("/")):
        problems.add(key, f"the path of {operation.name} is not a plain path without query and without / at its end")
    elif sorted(_PLACEHOLDER.findall(said)) != sorted(_PLACEHOLDER.findall(operation.path)) or _is_torn(said):
        placeholders = " and ".join(_PLACEHOLDER.findall(operation.path)) or "no placeholder"
        problems.add(key, f"the path of {operation.name} must have {_braced(placeholders)}, such as {operation.path}")
    else:
        return said
    return None


def placeholders_hidden(path: str) -> str:
    """Return a path without the names of its placeholders."""
    return _PLACEHOLDER.sub("{}", path)


def _is_torn(path: str) -> bool:
    """Return True if the path has an unmatched brace."""
    return not {"{", "}"}.isdisjoint(_PLACEHOLDER.sub("", path))


def _braced(placeholders: str) -> str:
    return placeholders if placeholders == "no placeholder" else f"{{{placeholders}}}"


def _body(problems: MistakeCollector, operation: Operation[Any], table: Mapping[str, Any]) -> tuple[str | None, _Form]:
    if "body" not in table:
        return None, None
    key, said = ("operations", operation.name, "body"), table["body"]
    if operation.request is None:
        problems.add(key, f"{operation.name} sends no body")
        return None, None
    parts: dict[str, Any] = cast("dict[str, Any]", said) if isinstance(said, dict) else {"as": said}
    wrap, form = parts.get("wrap"), parts.get("as")
    if not parts or not parts.keys() <= {"wrap", "as"} or form not in (None, "array", "object"):
        says = 'is not "array", "object" or { wrap = "name" }, which may say as = "array" or "object" too'
        problems.add(key, f"the body of {operation.name} {says}")
        return None, None
    if "wrap" in parts and not (is_wire_name(wrap) and "." not in str(wrap)):
        problems.add(key, f"wrap of {operation.name} is not one name of 1 to 200 printable characters")
        return None, None
    return wrap, form


def _query(problems: MistakeCollector, operation: Operation[Any], table: Mapping[str, Any]) -> dict[str, str]:
    said, key = table.get("query", {}), ("operations", operation.name, "query")
    if not isinstance(said, dict):
        problems.add(key, f"query of {operation.name} is not a table of filters and parameter names")
        return {}
    if operation.filters is None:
        problems.add(key, f"{operation.name} has no filters") if "query" in table else None
        return {}
    known = fields_of(operation.filters)
    found: dict[str, str] = {}
    for name, parameter in cast("dict[str, Any]", said).items():
        if name not in known:
            problems.add((*key, name), f"{operation.name} has no filter {quoted_name(name)}{nearest_hint(name, known)}")
        elif not is_wire_name(parameter):
            problems.add((*key, name), f"the parameter of {name} is not a text of 1 to 200 printable characters")
        else:
            found[name] = parameter
    return found
