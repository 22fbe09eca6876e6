"""Operations of any document: parameters, bodies, answers, and what is no OpenAPI 3 document."""

from typing import Any

import pytest

from octoffm_async.contract.openapi.description import JSON, DescribedOperation, NotOpenAPIError, describe

TEXT = {"type": "string"}


def only(item: object, path: str = "/things/{id}/parts/{part}", **components: object) -> DescribedOperation:
    (operation,) = describe({"openapi": "3.0.0", "paths": {path: item}, "components": components}).operations
    return operation


def query(name: str, **keywords: object) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": TEXT, **keywords}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "it is empty, not an OpenAPI document"),
        ([], "it is a list, not an OpenAPI document"),
        ("openapi: 3", "it is a text, not an OpenAPI document"),
        (5, "it is a single value, not an OpenAPI document"),
        ({}, "it has no 'openapi' version, so it is not an OpenAPI document"),
        ({"swagger": "2.0", "paths": {}}, "it is Swagger 2.0; only OpenAPI 3.0 and 3.1 can be read"),
        ({"swagger": 2.0, "paths": {}}, "it is Swagger 2.0; only OpenAPI 3.0 and 3.1 can be read"),
        ({"openapi": "4.0.0", "paths": {}}, "it is OpenAPI 4.0.0; only OpenAPI 3.0 and 3.1 can be read"),
        ({"openapi": "3.1.0"}, "it has no paths"),
        ({"openapi": "3.1.0", "paths": []}, "it has no paths"),
    ],
    ids=repr,
)
def test_what_is_no_openapi_document(document, reason) -> None:
    with pytest.raises(NotOpenAPIError) as raised:
        describe(document)
    assert str(raised.value) == reason


@pytest.mark.parametrize("version", ["3.0.0", "3.0.3", "3.1.0", "3.1.1", 3.0, 3.1])
def test_versions_that_can_be_read(version) -> None:
    assert describe({"openapi": version, "paths": {}}).operations == ()


def test_methods_are_operations_and_nothing_else_of_an_item_is() -> None:
    item = {"get": {}, "post": {"operationId": "make"}, "summary": "x", "servers": [], "x-get": {}, "put": None}
    found = describe({"openapi": "3.1.0", "paths": {"/a/": item, "/b": None, 7: "x"}}).operations
    assert [(one.name, one.method, one.path) for one in found] == [("GET /a/", "GET", "/a"), ("make", "POST", "/a")]


def test_a_path_without_the_names_of_its_parameters() -> None:
    assert only({"get": {}}).pattern == "/things/{}/parts/{}"
    assert only({"get": {}}, "/a/{x}.pdf").pattern == "/a/{}.pdf"


def test_parameters_of_the_operation_replace_those_of_the_item() -> None:
    item = {
        "parameters": [query("a"), query("b"), {"$ref": "#/components/parameters/C"}, {"name": "broken"}, "x"],
        "get": {"parameters": [query("a", required=True)]},
    }
    found = only(item, parameters={"C": query("c", required=True)}).parameters
    assert [(one.name, one.required) for one in found] == [("a", True), ("b", False), ("c", True)]


def test_parameters_of_a_path_stand_in_its_order_and_are_required() -> None:
    listed = [{"name": name, "in": "path", "schema": TEXT} for name in ("part", "id")]
    found = only({"get": {"parameters": listed}}).parameters
    assert [(one.name, one.required) for one in found] == [("id", True), ("part", True)]


def test_headers_that_http_itself_has_are_no_parameters() -> None:
    listed = [{"name": name, "in": "header", "schema": TEXT} for name in ("accept", "Authorization", "SellerId")]
    assert [one.name for one in only({"get": {"parameters": listed}}).parameters] == ["SellerId"]


def test_a_parameter_may_have_content_instead_of_a_schema() -> None:
    (found,) = only(
        {"get": {"parameters": [{"name": "a", "in": "query", "content": {"x/y": {"schema": TEXT}}}]}}
    ).parameters
    assert found.node.types == {"string"}


@pytest.mark.parametrize(
    "media", ["application/json", "application/JSON; charset=utf-8", "application/vnd.x+json", "text/json"]
)
def test_every_json_is_json(media) -> None:
    body = {"content": {"text/csv": {}, media: {"schema": TEXT}}}
    request = only({"post": {"requestBody": body}}).request
    assert request is not None
    assert request.node is not None
    assert (request.media, request.required, request.node.types) == ({JSON, "text/csv"}, False, {"string"})


@pytest.mark.parametrize(
    ("responses", "status"),
    [
        ({"200": {}, "404": {}}, "200"),
        ({404: {}, 202: {}, 201: {}}, "201"),
        ({"2XX": {}, "default": {}}, "2XX"),
        ({"default": {}}, ""),
        ({}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_answer_is_the_first_success(responses, status) -> None:
    operation = only({"get": {"responses": responses}})
    assert (operation.status, operation.answer) == (status, None)


def test_bodies_and_answers_may_stand_elsewhere() -> None:
    content = {"content": {"application/json": {"schema": TEXT}}}
    operation = only(
        {"post": {"requestBody": {"$ref": "#/components/x/A"}, "responses": {"200": {"$ref": "#/components/x/B"}}}},
        x={"A": {**content, "required": True}, "B": {"$ref": "#/components/x/A"}},
    )
    for body in (operation.request, operation.answer):
        assert body is not None
        assert body.required
        assert body.node is not None
        assert body.node.types == {"string"}
