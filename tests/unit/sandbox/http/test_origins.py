"""Web pages of others cannot drive a sandbox, nor read it under a name of their own."""

import asyncio

import pytest

from octoffm_async.sandbox.http.origins import is_foreign, is_loopback

from ..api import Api

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


def clock(api: Api) -> str:
    return api.sandbox.control_url + "/clock"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"},
    ],
)
async def test_what_a_browser_says_comes_from_elsewhere_is_refused(api: Api, headers: dict[str, str]) -> None:
    before = api.sandbox.clock.now()
    sent = {name: text.format(own=own(api)) for name, text in headers.items()}
    assert (await api.call("POST", clock(api), headers=sent, data=b'{"advance": 1}')).status == 403
    assert (await api.call("GET", api.sandbox.control_url + "/state", headers=sent)).status == 403
    assert api.sandbox.clock.now() == before


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_what_a_browser_says_is_the_pages_own_or_typed_in_is_taken(api: Api, site: str) -> None:
    assert (await api.call("GET", api.sandbox.control_url + "/state", headers={"Sec-Fetch-Site": site})).status == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", '{"advance": 1}'),
        ("Text/Plain;charset=utf-8", '{"advance": 1}'),
        ("multipart/form-data; boundary=x", '{"advance": 1}'),
        ("application/x-www-form-urlencoded", ""),
    ],
)
async def test_the_forms_of_a_browser_that_names_no_origin_are_refused(api: Api, kind: str, body: str) -> None:
    before = api.sandbox.clock.now()
    for route in ("/clock", "/receive"):
        answer = await raw(api, f"POST /_sandbox{route} HTTP/1.1", f"Content-Type: {kind}", body=body)
        assert answer.startswith("HTTP/1.1 415 ")
    assert api.sandbox.clock.now() == before


@pytest.mark.parametrize("route", ["clock", "receive", "save"])
async def test_a_form_as_a_browser_encodes_it_is_no_order(api: Api, route: str) -> None:
    before = api.sandbox.clock.now()
    kind = "Content-Type: application/x-www-form-urlencoded"
    answer = await raw(api, f"POST /_sandbox/{route} HTTP/1.1", kind, body="%7B%22advance%22%3A1%7D=")
    assert answer.startswith("HTTP/1.1 400 ")
    assert api.sandbox.clock.now() == before


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Content-Type: application/json",),
        ("Content-Type: application/x-www-form-urlencoded", "User-Agent: curl/8.5.0", "Accept: */*"),  # curl -d
        ("Content-Type: application/octet-stream",),
    ],
)
async def test_programs_that_are_no_browsers_are_taken(api: Api, headers: tuple[str, ...]) -> None:
    before = api.sandbox.clock.now()
    answer = await raw(api, "POST /_sandbox/clock HTTP/1.1", *headers, body='{"advance": 1}')
    assert answer.startswith("HTTP/1.1 200 ")
    assert (api.sandbox.clock.now() - before).total_seconds() == 1


async def raw(api: Api, *head: str, body: str) -> str:
    """Send a request as it stands, with nothing that a client library would add; return its answer."""
    host = own(api).removeprefix("http://")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    lines = [*head, f"Host: {host}", f"Content-Length: {len(body)}", "Connection: close", "", body]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()
