"""Our export in the style of other tools: OpenAPI 3.0, a prefix in the paths, everything behind references."""

import copy
from typing import Any

ESCAPED = {"~": "~0", "/": "~1", " ": "%20"}


def as_openapi30(document: dict[str, Any]) -> dict[str, Any]:
    """The same meaning, written differently wherever the standard allows it."""
    document = copy.deepcopy(document)
    components = document["components"]
    components["schemas"] = dict(
        entry for name, schema in components["schemas"].items() for entry in _split(name, _schema(schema))
    )
    components["parameters"], components["responses"], components["requestBodies"] = {}, {}, {}
    paths = {f"/seller/v2{path}/": _item(item, components) for path, item in document["paths"].items()}
    return {
        "openapi": "3.0.3",
        "info": document["info"],
        "servers": [{"url": "/"}],
        "paths": {_renamed(path): item for path, item in paths.items()},
        "components": components,
    }


def _renamed(path: str) -> str:
    return "/".join("{the_id}" if segment.startswith("{") else segment for segment in path.split("/"))


def _item(item: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the item and of the operation, in the components; bodies and answers too."""
    converted: dict[str, Any] = {"parameters": [], "summary": "An item"}
    for method, operation in item.items():
        listed = []
        for parameter in operation.pop("parameters"):
            one = {**parameter, "schema": _schema(parameter["schema"])}
            if one["in"] == "path":
                converted["parameters"] = [{**one, "name": "the_id"}]
            elif one["in"] == "header":
                name = f"{method}.{one['name']}"
                components["parameters"][name] = {**one, "name": one["name"].lower()}
                listed.append({"$ref": f"#/components/parameters/{name}"})
            else:
                listed.append(one)
        name = operation["operationId"]
        answers = {status: _content(answer) for status, answer in operation["responses"].items()}
        operation["responses"] = {}
        for status, answer in answers.items():
            components["responses"][f"{name} {status}"] = answer
            operation["responses"][int(status)] = {"$ref": f"#/components/responses/{name}%20{status}"}
        if "requestBody" in operation:
            components["requestBodies"][name] = _content(operation["requestBody"])
            operation["requestBody"] = {"$ref": f"#/components/requestBodies/{name}"}
        listed.append({"name": "Accept", "in": "header", "required": True, "schema": {"type": "string"}})
        converted[method] = {**operation, "operationId": f"Other_{name}", "parameters": listed}
    return converted


def _content(body: dict[str, Any]) -> dict[str, Any]:
    content = {
        ("application/vnd.other+json; charset=utf-8" if media == "application/json" else media): {
            "schema": _schema(one["schema"])
        }
        for media, one in body["content"].items()
    }
    return {**body, "content": content}


def _schema(schema: dict[str, Any]) -> dict[str, Any]:
    converted = {name: value for name, value in schema.items() if not name.startswith("x-") and name != "anyOf"}
    if "x-known-values" in schema:
        converted["enum"] = schema["x-known-values"]
    if "$ref" in converted:
        converted = {"$ref": _moved(schema["$ref"])}
    if "items" in converted:
        converted["items"] = _schema(schema["items"])
    if "properties" in converted:
        converted["properties"] = {name: _schema(one) for name, one in schema["properties"].items()}
    if "exclusiveMinimum" in converted:
        converted |= {"minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
    if "anyOf" in schema:
        real = [_schema(one) for one in schema["anyOf"] if one != {"type": "null"}]
        if len(real) < len(schema["anyOf"]):
            converted["nullable"] = True
        if len(real) > 1:
            converted["oneOf"] = real
        elif "$ref" in real[0]:
            converted["allOf"] = real
        else:
            converted = {**real[0], **converted}
    return converted


def _moved(reference: str) -> str:
    name = _named(reference.rpartition("/")[2])
    return "#/components/schemas/" + "".join(ESCAPED.get(letter, letter) for letter in name)


def _named(name: str) -> str:
    return f"Other / ~{name} Dto"


def _split(name: str, schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """An object in two halves that ``allOf`` puts together, one of them behind two references."""
    fields = list(schema.get("properties", {}).items())
    if len(fields) < 2:
        return [(_named(name), schema)]
    half = len(fields) // 2
    required = schema.get("required", [])
    parts = [
        {
            "type": "object",
            "properties": dict(some),
            "required": [field for field, _ in some if field in required],
        }
        for some in (fields[:half], fields[half:])
    ]
    whole = {
        "description": schema.get("description", ""),
        "allOf": [{"$ref": f"#/components/schemas/{name}.Alias"}, parts[1]],
    }
    return [
        (_named(name), whole),
        (f"{name}.Alias", {"$ref": f"#/components/schemas/{name}.Base"}),
        (f"{name}.Base", parts[0]),
    ]
