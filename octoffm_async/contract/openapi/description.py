"""Reader of OpenAPI 3.0 and 3.1 documents: parameters, request body and response of each operation."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from .schema_reader import Raw, SchemaNode, SchemaReader

JSON = "json"
"""Name for ``application/json`` and every other media type of JSON."""

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_HEADERS_OF_HTTP = ("accept", "content-type", "authorization")  # OpenAPI says to ignore them as parameters
_TEMPLATE = re.compile(r"\{[^{}]*\}")


class NotOpenAPIError(ValueError):
    """An error for input that is not an OpenAPI 3 document; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterDescription:
    """A parameter in a path, a query, a header or a cookie. Path parameters come in the order of the path."""

    place: str
    name: str
    required: bool
    node: SchemaNode
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyDescription:
    """The body of a request or of a response: its media types, and its JSON schema if it has one."""

    media: frozenset[str]
    required: bool = True
    node: SchemaNode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedOperation:
    """One operation. ``answer`` is the first successful response, ``status`` its code as text."""

    name: str
    method: str
    path: str
    parameters: tuple[ParameterDescription, ...]
    request: BodyDescription | None
    status: str
    answer: BodyDescription | None
    tag: str

    @property
    def pattern(self) -> str:
        """The path without the names of its parameters."""
        return _TEMPLATE.sub("{}", self.path)


class Description:
    """The operations of a document. ``notes`` grows while schemas are read."""

    def __init__(self, operations: tuple[DescribedOperation, ...], reader: SchemaReader) -> None:
        self.operations = operations
        self._reader = reader

    @property
    def notes(self) -> list[str]:
        """Parts of the document that could not be read, such as references to other files."""
        return list(self._reader.notes)

    @property
    def dangling(self) -> list[str]:
        """References without a target in the document, as far as schemas were read."""
        return sorted(self._reader.dangling_references)


def describe(document: object) -> Description:
    """Read a document that was loaded from JSON or YAML. Raises :class:`NotOpenAPIError`."""
    if not isinstance(document, Mapping):
        raise NotOpenAPIError(f"it is {_KINDS.get(type(document), 'a single value')}, not an OpenAPI document")
    root = cast("Mapping[str, Any]", document)
    if "swagger" in root:
        raise NotOpenAPIError(f"it is Swagger {str(root['swagger'])[:20]}; only OpenAPI 3.0 and 3.1 can be read")
    version = str(root.get("openapi", ""))[:20]
    if not version:
        raise NotOpenAPIError("it has no 'openapi' version, so it is not an OpenAPI document")
    if not re.match(r"3\.\d", version):
        raise NotOpenAPIError(f"it is OpenAPI {version}; only OpenAPI 3.0 and 3.1 can be read")
    paths = root.get("paths")
    if not isinstance(paths, Mapping):
        raise NotOpenAPIError("it has no paths")
    reader = SchemaReader(root)
    found = (
        operation
        for path, item in cast("Mapping[object, object]", paths).items()
        for operation in _operations(reader, str(path), reader.deref(item))
    )
    return Description(tuple(found), reader)


_KINDS: dict[type, str] = {list: "a list", type(None): "empty", str: "a text"}


def _operations(reader: SchemaReader, path: str, item: Raw) -> Iterator[DescribedOperation]:
    for method in _METHODS:
        described = item.get(method)
        if not isinstance(described, Mapping):
            continue
        raw = cast(Raw, described)
        name = raw.get("operationId")
        status, answer = _answer(reader, raw)
        yield DescribedOperation(
            name=name if isinstance(name, str) and name else f"{method.upper()} {path}",
            method=method.upper(),
            path="/" + path.strip("/"),
            parameters=tuple(_parameters(reader, path, item, raw)),
            request=_request(reader, raw),
            status=status,
            answer=answer,
            tag=_tag(raw),
        )


def _parameters(reader: SchemaReader, path: str, item: Raw, operation: Raw) -> list[ParameterDescription]:
    """Merge the parameters of the path item and of the operation; path parameters in the order of the path."""
    found: dict[tuple[str, str], Raw] = {}
    for listed in (item.get("parameters"), operation.get("parameters")):
        for one in cast("list[object]", listed) if isinstance(listed, list) else []:
            raw = reader.deref(one)
            place, name = raw.get("in"), raw.get("name")
            if isinstance(place, str) and isinstance(name, str) and not _is_of_http(place, name):
                found[place, name.casefold() if place == "header" else name] = raw
    order = {name[1:-1]: number for number, name in enumerate(_TEMPLATE.findall(path))}
    parameters = [_parameter(reader, raw) for raw in found.values()]
    parameters.sort(key=lambda one: order.get(one.name, len(order)) if one.place == "path" else -1)
    return parameters


def _is_of_http(place: str, name: str) -> bool:
    return place == "header" and name.casefold() in _HEADERS_OF_HTTP


def _parameter(reader: SchemaReader, raw: Raw) -> ParameterDescription:
    schema = raw.get("schema")
    if schema is None:
        schema = next((media.get("schema") for media in _content(raw).values()), None)
    return ParameterDescription(
        place=raw["in"],
        name=raw["name"],
        required=raw.get("required") is True or raw["in"] == "path",
        node=reader.node(schema),
        tag=_tag(raw),
    )


def _request(reader: SchemaReader, operation: Raw) -> BodyDescription | None:
    if operation.get("requestBody") is None:
        return None
    raw = reader.deref(operation["requestBody"])
    return _body(reader, raw, required=raw.get("required") is True)


def _answer(reader: SchemaReader, operation: Raw) -> tuple[str, BodyDescription | None]:
    answers = operation.get("responses")
    if not isinstance(answers, Mapping):
        return "", None
    by_status = {str(status): one for status, one in cast("Mapping[object, object]", answers).items()}
    status = min((status for status in by_status if status.startswith("2")), default="")
    return (status, _body(reader, reader.deref(by_status[status]))) if status else ("", None)


def _body(reader: SchemaReader, raw: Raw, *, required: bool = True) -> BodyDescription | None:
    content = _content(raw)
    if not content:
        return None
    essences = {media: _essence(media) for media in content}
    json = next((content[media].get("schema") for media, essence in essences.items() if essence == JSON), None)
    return BodyDescription(
        media=frozenset(essences.values()), required=required, node=None if json is None else reader.node(json)
    )


def _content(raw: Raw) -> dict[str, Raw]:
    content = raw.get("content")
    if not isinstance(content, Mapping):
        return {}
    entries = cast("Mapping[object, object]", content).items()
    return {str(media): cast(Raw, one) for media, one in entries if isinstance(one, Mapping)}


def _essence(media: str) -> str:
    essence = media.partition(";")[0].strip().casefold()
    return JSON if essence in ("application/json", "text/json") or essence.endswith("+json") else essence


def _tag(raw: Raw) -> str:
    tag = raw.get("x-provenance")
    return tag if isinstance(tag, str) else ""
