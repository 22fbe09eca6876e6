"""The sandbox describes itself: without a token, without limits, and not counted."""

from octoffm_async.contract.comparison import compare
from octoffm_async.contract.description import describe
from octoffm_async.contract.openapi import openapi_document
from octoffm_async.sandbox import Sandbox

from .api import Api


async def test_it_serves_the_contract_with_its_own_addresses(api: Api) -> None:
    sandbox = api.sandbox
    counted = len(sandbox.arrivals)
    answer = await api.with_headers().call("GET", sandbox.base_url.removesuffix("/seller/v2") + "/openapi.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json == openapi_document(server=sandbox.base_url, token_url=sandbox.token_url)
    assert compare(describe(openapi_document()), describe(answer.json)) == []
    assert len(sandbox.arrivals) == counted


async def test_limits_and_other_methods_do_not_reach_it(api: Api) -> None:
    url = api.sandbox.base_url.removesuffix("/seller/v2") + "/openapi.json"
    api.sandbox.faults.set_rates({})
    assert [(await api.call("GET", url)).status for _ in range(3)] == [200] * 3
    assert (await api.call("POST", url)).status == 404


async def test_the_text_null_is_no_time(api: Api) -> None:
    for name in ("statusUpdatedAtMin", "statusUpdatedAtMax"):
        for text in ("null", "1700000000", "now"):
            answer = await api.get("/outbound-shipments", **{name: text})
            assert answer.is_problem(400)
            assert list(answer.json["errors"]) == [name]
    for limit in ("null", "1.0", "x", " ", "0", "-1", "1001", "9" * 30):
        answer = await api.get("/outbound-shipments", limit=limit)
        assert answer.is_problem(400)
        assert list(answer.json["errors"]) == ["limit"]
    assert isinstance(api.sandbox, Sandbox)
