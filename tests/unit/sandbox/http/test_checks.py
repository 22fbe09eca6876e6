"""What every API call must bring along."""

import pytest

from octoffm_async.sandbox.http.checks import _JSON, accepts

from ..api import Api


async def test_a_complete_call_passes(api: Api) -> None:
    assert (await api.get("/stock-seller-references")).status == 200


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic {token}", "{token}"])
async def test_no_good_bearer_is_401(api: Api, authorization: str) -> None:
    wrong = api.with_headers(**{**api.headers, "Authorization": authorization.format(token=api.token)})
    assert (await wrong.get("/stock-seller-references")).is_problem(401)


async def test_no_seller_is_400_and_an_unknown_one_403(api: Api) -> None:
    missing = await api.without("SellerId").get("/stock-seller-references")
    assert missing.is_problem(400)
    assert list(missing.json["errors"]) == ["SellerId"]
    assert (await api.as_seller("777").get("/stock-seller-references")).is_problem(403)


async def test_a_client_that_takes_no_json_is_406(api: Api) -> None:
    assert (await api.call("GET", "/stock-seller-references", headers={"Accept": "text/html"})).is_problem(406)


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (None, True),
        ("*/*", True),
        ("application/json", True),
        ("application/json; q=0.5", True),
        ("text/html, application/*;q=0.1", True),
        ("text/html", False),
        ("application/pdf", False),
    ],
)
def test_accept_is_read_as_a_list(accept: str | None, taken: bool) -> None:
    assert accepts(accept, _JSON) is taken


@pytest.mark.parametrize("path", ["/fulfillment-products", "/outbound-shipments"])
async def test_a_body_of_another_type_is_415(api: Api, path: str) -> None:
    answer = await api.call("POST", path, data=b"[]", headers={"Content-Type": "text/plain"})
    assert answer.is_problem(415)
