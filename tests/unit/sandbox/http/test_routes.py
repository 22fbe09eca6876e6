"""The route table: the contract's paths; anything else is the gateway's empty 404 or 405."""

import pytest

from octoffm_async.contract.operations import OPERATIONS
from octoffm_async.sandbox.http.call import API_PATH
from octoffm_async.sandbox.http.routes import TOKEN_PATH, MethodNotAllowed, Route, Router

from ..api import Api


def test_every_operation_of_the_contract_has_a_route() -> None:
    router = Router()
    for operation in OPERATIONS:
        path = API_PATH + operation.path.replace("{", "").replace("}", "") if operation.path else TOKEN_PATH
        found = router.find(operation.method, path)
        assert isinstance(found, Route)
        assert found.operation is operation


def test_the_id_comes_out_of_the_path() -> None:
    found = Router().find("GET", f"{API_PATH}/stocks/abc-1")
    assert isinstance(found, Route)
    assert (found.operation.name, found.item) == ("stocks.get", "abc-1")


@pytest.mark.parametrize("group", ["inbound", "outbound", "returns"])
def test_a_count_is_no_id(group: str) -> None:
    path = f"{API_PATH}/returns" if group == "returns" else f"{API_PATH}/{group}-shipments"
    router = Router()
    count, get, other = (router.find("GET", f"{path}/{item}") for item in ("count", "counts", "Count"))
    assert isinstance(count, Route)
    assert isinstance(get, Route)
    assert isinstance(other, Route)
    assert (count.operation.name, count.item) == (f"{group}.count", "")
    assert [(route.operation.name, route.item) for route in (get, other)] == [
        (f"{group}.get", "counts"),
        (f"{group}.get", "Count"),
    ]
    assert router.find("POST", f"{path}/count") == MethodNotAllowed("GET")


def test_another_method_says_which_are_allowed() -> None:
    router = Router()
    assert router.find("PUT", f"{API_PATH}/outbound-shipments") == MethodNotAllowed("GET, POST")
    assert router.find("GET", TOKEN_PATH) == MethodNotAllowed("POST")


@pytest.mark.parametrize(
    "path", ["/elsewhere", "/seller/v2", "/seller/v2/", "/seller/v3/stocks", "/seller/v2/stocks/", "/stocks"]
)
async def test_an_unknown_path_is_an_empty_404(api: Api, path: str) -> None:
    origin = api.sandbox.base_url.removesuffix("/seller/v2")
    answer = await api.call("GET", origin + path)
    assert (answer.status, answer.body) == (404, b"")


async def test_a_path_deeper_than_any_route_is_an_empty_404(api: Api) -> None:
    assert (await api.get("/stocks/1/2/3"))[::2] == (404, b"")


async def test_another_method_is_an_empty_405(api: Api) -> None:
    answer = await api.call("DELETE", "/stocks")
    assert (answer.status, answer.body, answer.headers["Allow"]) == (405, b"", "GET")


async def test_a_long_query_is_answered_as_any_other(api: Api) -> None:
    answer = await api.call("GET", "/stocks", params=[("limit", "x" * 20_000)])
    assert answer.is_problem(400)
