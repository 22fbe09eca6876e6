"""Web pages of others cannot drive a sandbox, nor read it under a name of their own."""

import pytest

from octoffm_async.sandbox.origins import is_foreign, is_loopback

from .api import Api

LOOPBACK = ["127.0.0.1", "127.0.0.1:8080", "127.8.9.1:1", "localhost", "LocalHost:99", "[::1]", "[::1]:8080"]
ELSEWHERE = [
    "",
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example#127.0.0.1",
    "127.0.0.1:80@evil.example",
    "192.168.0.1",
    "0.0.0.0",  # noqa: S104  (refused)
    "[::2]",
    "127.0.0.1\n",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_other_names(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        (None, False),
        ("http://localhost:1", False),
        ("HTTP://LOCALHOST:1", False),
        ("http://localhost:2", True),
        ("http://127.0.0.1:1", True),
        ("https://localhost:1", True),
        ("http://evil.example", True),
        ("null", True),
        ("", True),
    ],
)
def test_an_origin_is_foreign_unless_it_is_the_servers_own(origin: str | None, foreign: bool) -> None:
    assert is_foreign(origin, "localhost:1") is foreign


def own(api: Api) -> str:
    return api.sandbox.control_url.removesuffix("/_sandbox")


@pytest.mark.parametrize("path", ["/", "/_sandbox/state", "/_sandbox/clock", "/seller/v2/stocks"])
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80"])
async def test_a_request_under_a_foreign_name_is_refused_and_does_nothing(api: Api, path: str, host: str) -> None:
    time, total = api.sandbox.clock.now(), api.sandbox.requests.total
    method = "POST" if path.endswith("clock") else "GET"
    answer = await api.call(method, own(api) + path, headers={"Host": host}, data=b'{"advance": 1}')
    assert answer.status == 421
    assert (api.sandbox.clock.now(), api.sandbox.requests.total) == (time, total)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
@pytest.mark.parametrize(("method", "route"), [("POST", "/clock"), ("POST", "/save"), ("GET", "/state")])
async def test_a_control_order_of_another_origin_is_refused_and_does_nothing(
    api: Api, origin: str, method: str, route: str
) -> None:
    time = api.sandbox.clock.now()
    url = api.sandbox.control_url + route
    answer = await api.call(method, url, headers={"Origin": origin}, data=b'{"advance": 1}')
    assert (answer.status, "another origin" in answer.json["error"]) == (403, True)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert api.sandbox.clock.now() == time


async def test_a_control_order_of_the_own_origin_is_taken(api: Api) -> None:
    url = api.sandbox.control_url + "/clock"
    answer = await api.call("POST", url, headers={"Origin": own(api)}, data=b'{"advance": 1}')
    assert answer.status == 200
