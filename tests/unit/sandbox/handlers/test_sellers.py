"""The sellers of the client's account: for a token, without a seller."""

from ..api import FIRST, SECOND, Api
from ..conftest import Serve


async def test_a_token_alone_reports_the_sellers(api: Api) -> None:
    for caller in (api, api.without("SellerId"), api.as_seller("777")):
        answer = await caller.get("/sellers")
        assert (answer.status, answer.json) == (200, {"items": [{"sellerId": FIRST}, {"sellerId": SECOND}]})


async def test_it_names_those_that_the_sandbox_was_given(serve: Serve) -> None:
    api = await serve(sellers=("7", "0012"), ids="integer")
    assert (await api.get("/sellers")).json == {"items": [{"sellerId": 7}, {"sellerId": "0012"}]}


async def test_without_a_token_nobody_is_reported(api: Api) -> None:
    assert (await api.without("Authorization").get("/sellers")).is_problem(401)
    assert (await api.call("POST", "/sellers")).status == 405
