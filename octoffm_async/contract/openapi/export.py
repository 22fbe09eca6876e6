"""Export of the contract as an OpenAPI 3.1 document, built from the operations table and the structs alone."""

from typing import Any

from ..access import BASE_URL, TOKEN_URL, Problem
from ..operations import OPERATIONS, Operation, Repeatability, Shape
from .schemas import Schema, parameter, parameters_of, schemas_of

_DESCRIPTION = (
    "Every operation, parameter and field has its source in `x-provenance`: D documented, S seen in public client "
    "code, A assumed. Bounds have their own source in `x-bounds-provenance`. `x-known-values` lists the known values "
    "of an open enum; other values are valid. Responses may have fields that this document does not name."
)
_JSON = "application/json"
_PROBLEM_JSON = "application/problem+json"
_TEXT: Schema = {"type": "string"}
_HEADERS = (
    parameter("SellerId", "header", {**_TEXT, "minLength": 1, "x-provenance": "D"}, required=True),
    parameter("SalesChannelId", "header", {**_TEXT, "x-provenance": "S"}, required=False),
)
_ERRORS = {
    400: "The request is malformed; `errors` names the fields.",
    401: "The bearer token is missing, unknown or expired.",
    403: "The client lacks the permission, or may not act for this seller.",
    404: "The resource does not exist. A 404 of the gateway itself has an empty or an HTML body.",
    406: "The API cannot produce the media type of the Accept header.",
    409: "The state of the resource does not allow the operation.",
    415: "The request body is not JSON.",
    422: "The request is well-formed, but the API cannot carry it out.",
    429: "Too many requests.",
    500: "An unexpected error. Proxies may answer 503 with an empty or an HTML body.",
}
_RETRY_AFTER: Schema = {
    "description": "Seconds, or an HTTP date. It may be absent.",
    "schema": _TEXT,
    "x-provenance": "A",
}
_LINK: Schema = {
    "description": 'The next page, as a URL that is usually relative: `</x?cursor=abc>; rel="next"`. '
    "Absent on the last page.",
    "schema": _TEXT,
    "x-provenance": "D",
}
_REPEATING = {
    Repeatability.SAFE: "The operation changes nothing.",
    Repeatability.VERIFY: "There is no idempotency key: repeat a call only after a look-up by reference found nothing.",
    Repeatability.NEVER: "There is no idempotency key and no look-up: a repeated call may take effect twice.",
}


def openapi_document(*, server: str = BASE_URL, token_url: str = TOKEN_URL, version: str = "2") -> dict[str, Any]:
    """Return the 20 operations as an OpenAPI 3.1 document, ready for JSON or YAML, with a stable order of keys."""
    types: list[Any] = [Problem]
    for operation in OPERATIONS:
        types += [kind for kind in (operation.answer, operation.request) if kind is not None]
    schemas, components = schemas_of(types)
    schema_of = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Octopia Seller API V2, fulfillment",
            "version": version,
            "description": _DESCRIPTION,
        },
        "servers": [{"url": server}],
        "security": [{"oauth2": []}],
        "tags": [{"name": name} for name in dict.fromkeys(one.group.value for one in OPERATIONS)],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"oauth2": _security(token_url)}},
    }


def _security(token_url: str) -> Schema:
    flow = {"tokenUrl": token_url, "scopes": dict[str, str]()}
    return {"type": "oauth2", "flows": {"clientCredentials": flow}, "x-provenance": "D"}


def _operation(operation: Operation[Any], schema_of: dict[int, Schema]) -> Schema:
    described: Schema = {
        "operationId": operation.name,
        "tags": [operation.group.value],
        "description": _REPEATING[operation.repeatability],
        "x-provenance": operation.tag,
        "x-repeatability": operation.repeatability.value,
        "parameters": [*_path_parameters(operation), *_query(operation), *_HEADERS],
    }
    if operation.request is not None:
        described["requestBody"] = _request(operation, schema_of[id(operation.request)])
    described["responses"] = {str(operation.success): _success(operation, schema_of[id(operation.answer)])}
    described["responses"] |= {str(status): _error(status, schema_of[id(Problem)]) for status in _errors_of(operation)}
    return described


def _path_parameters(operation: Operation[Any]) -> list[Schema]:
    schema: Schema = {**_TEXT, "minLength": 1, "x-provenance": operation.tag}
    return [
        parameter(segment[1:-1], "path", schema, required=True)
        for segment in operation.path.split("/")
        if segment.startswith("{")
    ]


def _query(operation: Operation[Any]) -> list[Schema]:
    if operation.filters is None:
        return []
    return parameters_of(operation.filters, limit_required=operation.limit_required)


def _request(operation: Operation[Any], schema: Schema) -> Schema:
    if operation.max_items > 1:
        schema = {
            "type": "array",
            "items": schema,
            "minItems": 1,
            "maxItems": operation.max_items,
            "x-provenance": "A",
            "x-bounds-provenance": "A",
        }
    return {"required": True, "content": {_JSON: {"schema": schema}}}


def _success(operation: Operation[Any], schema: Schema) -> Schema:
    match operation.shape:
        case Shape.OPTIONAL:
            return _answer("The result. The body may also be empty.", schema)
        case Shape.PAGE:
            return _answer("One page, in an object or as a bare list.", schema) | {"headers": {"Link": _LINK}}
        case Shape.COUNT:
            return _answer("The number, bare or in an object.", _count())
        case Shape.IDENTIFIER:
            return _identifier(operation)
        case Shape.DOCUMENT:
            answer = _answer("The document, or JSON with its Base64 content or its URL.", schema)
            pdf: Schema = {"contentMediaType": "application/pdf", "x-provenance": "A"}
            return answer | {"content": {"application/pdf": {"schema": pdf}, **answer["content"]}}
        case _:
            return _answer("The result.", schema)


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _count() -> Schema:
    number: Schema = {"type": "integer", "minimum": 0, "x-provenance": "S"}
    wrapped = [
        {"type": "object", "properties": {name: number}, "required": [name]} for name in ("count", "total_item_count")
    ]
    return {"anyOf": [number, *wrapped], "x-provenance": "S"}


def _identifier(operation: Operation[Any]) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {operation.identifier: {**_TEXT, "x-provenance": "A"}},
        "x-provenance": "A",
    }
    description = (
        f"Created. The body has `{operation.identifier}`; else one of the headers ends with it, "
        "and the body may be empty."
    )
    header: Schema = {"description": "The URL of the created resource.", "schema": _TEXT}
    return _answer(description, schema) | {
        "headers": {
            "Location": {**header, "x-provenance": "A"},
            "Content-Location": {**header, "x-provenance": "S"},
        }
    }


def _errors_of(operation: Operation[Any]) -> list[int]:
    left_out: set[int] = set()
    if operation.method != "POST":
        left_out |= {415, 422}
    if operation.method != "POST" and operation.shape is not Shape.DOCUMENT:
        left_out.add(409)
    if "{" not in operation.path and operation.method != "POST":
        left_out.add(404)
    return [status for status in _ERRORS if status not in left_out]


def _error(status: int, schema: Schema) -> Schema:
    described: Schema = {"description": _ERRORS[status], "content": {_PROBLEM_JSON: {"schema": schema}}}
    return described | {"headers": {"Retry-After": _RETRY_AFTER}} if status == 429 else described
