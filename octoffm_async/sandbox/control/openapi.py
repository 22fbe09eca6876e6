"""The control routes in the sandbox's own OpenAPI document; the contract's document does not contain them."""

from typing import Any

import msgspec

from octoffm_async.contract.operations import CREATE_TOKEN, OPERATIONS

from ..faults import Fault
from .verbs import CONTROL_ROUTES, ControlRoute, ScriptedFault

TAG = "sandbox control"
_ABOUT = "Of the sandbox only: the API has no such routes. No token, no limits, no faults; not counted."
_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
_REFUSALS = {
    400: "The command is invalid; the error names the field.",
    403: "A web page of another origin sent the request.",
    415: "The request has the media type of a web form.",
    421: "The Host header does not name this machine.",
}
_JSON = "application/json"


def with_control_routes(document: dict[str, Any], origin: str) -> dict[str, Any]:
    """Add the control routes to the API's document; they are served at ``origin``, not under the API's path."""
    bodies = [verb.body for verb in CONTROL_ROUTES if verb.body is not None]
    schemas, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(bodies, schemas, strict=True))
    script = components[ScriptedFault.__name__]["properties"]
    script["fault"]["enum"] = list(Fault.__members__)
    script["operation"]["description"] = ", ".join(one.name for one in (*OPERATIONS, CREATE_TOKEN))
    paths = {
        verb.route: {
            "servers": [{"url": origin}],
            verb.method.lower(): _operation(verb, None if verb.body is None else schema_of[verb.body]),
        }
        for verb in CONTROL_ROUTES
    }
    own = document["components"]
    return {
        **document,
        "tags": [*document["tags"], {"name": TAG, "description": _ABOUT}],
        "paths": {**document["paths"], **paths},
        "components": {**own, "schemas": {**own["schemas"], **components}},
    }


def _operation(verb: ControlRoute, schema: dict[str, Any] | None) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"sandbox{verb.path.replace('/', '.')}",
        "tags": [TAG],
        "summary": verb.purpose,
        "security": [],
    }
    if schema is not None:
        content: dict[str, Any] = {"schema": schema}
        if verb.example:
            content["example"] = msgspec.json.decode(verb.example)
        described["requestBody"] = {"required": not verb.optional, "content": {_JSON: content}}
    answers: dict[int, tuple[str, dict[str, Any]]] = {200: ("Done.", {"type": "object"})}
    answers |= {status: (reason, _ERROR) for status, reason in _REFUSALS.items()}
    described["responses"] = {
        str(status): {"description": reason, "content": {_JSON: {"schema": answer}}}
        for status, (reason, answer) in answers.items()
    }
    return described
