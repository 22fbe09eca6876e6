"""The way to the network: proxies, whom TLS trusts, what it shows; and a .netrc that nobody reads."""

from __future__ import annotations

import ssl
from base64 import b64encode
from pathlib import Path

import pytest

from octoffm_async import Config, ConfigurationError, ConnectError, FulfillmentClient, TLSError
from tests.support.fakes import config
from tests.unit.transport.test_aiohttp_transport import (
    HELLO,
    SMALL,
    Server,
    free_port,
    get,
    opened,
    way,
)

__all__ = ["way"]

pytestmark = pytest.mark.filterwarnings("default::ResourceWarning")

API = "http://api.example/v2/stocks"
PASSWORD = "p4ssw0rd"


def behind(**settings: object) -> Config:
    address = {"base_url": "http://api.example/v2", "token_url": "http://api.example/token"}
    return SMALL.with_(**address, allow_insecure_http=True, **settings)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy is named, and a .netrc has a password for every machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / ".netrc").write_text("default login somebody password fr0m-netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("by", ["setting", "environment", "both"])
@pytest.mark.parametrize("user", ["", f"me:{PASSWORD}@"])
async def test_requests_go_through_the_proxy(by: str, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(HELLO) as proxy:
        address = f"http://{user}127.0.0.1:{proxy.port}"
        if by != "setting":
            monkeypatch.setenv("HTTP_PROXY", address if by == "environment" else "http://127.0.0.1:9")
        settings = behind(trust_env=by != "setting", proxy=None if by == "environment" else address)
        async with opened(settings) as transport:
            assert (await get(transport, API)).body == b"hi"
        (head,) = proxy.heads
    assert head.startswith(f"GET {API} HTTP/1.1".encode())
    given = b"Proxy-Authorization: Basic " + b64encode(f"me:{PASSWORD}".encode())
    assert (given in head) is bool(user)
    assert (b"uthorization" in head) is bool(user)
    assert PASSWORD not in repr(settings)


async def test_a_proxy_of_the_environment_is_used_only_if_it_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(HELLO) as proxy, Server(HELLO) as api:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        for trusted, excluded in ((False, ""), (True, "127.0.0.1,localhost")):
            monkeypatch.setenv("NO_PROXY", excluded)
            base = api.url.removesuffix("/stocks")
            async with opened(SMALL.with_(trust_env=trusted, base_url=base)) as transport:
                assert (await get(transport, api.url)).body == b"hi"
        assert (len(proxy.heads), len(api.heads)) == (0, 2)
        assert all(b"uthorization" not in head for head in api.heads)


async def test_a_failed_connection_names_the_proxy_that_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}/x"
    for variable, told in ((None, False), (f"http://me:{PASSWORD}@127.0.0.1:9", True)):
        if variable is not None:
            monkeypatch.setenv("http_proxy", variable)
        async with opened() as transport:
            with pytest.raises(ConnectError) as caught:
                await get(transport, url)
        assert ("trust_env=True" in str(caught.value)) is told
        assert PASSWORD not in str(caught.value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with opened() as transport:
        with pytest.raises(ConnectError) as caught:
            await get(transport, url)
    assert "trust_env" not in str(caught.value)


async def test_a_proxy_that_is_away_is_no_reason_to_trust_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with opened(behind(proxy=f"http://me:{PASSWORD}@127.0.0.1:{free_port()}")) as transport:
        with pytest.raises(ConnectError, match="nor to the proxy") as caught:
            await get(transport, API)
    assert "trust_env" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


async def test_an_authority_is_trusted_beside_the_usual_ones(server_tls, authority, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    async with Server(HELLO, ssl_context=server_tls) as server:
        async with opened(SMALL.with_(ca_file=tmp_path / "company.pem")) as transport:
            assert (await get(transport, server.url)).body == b"hi"
        async with opened() as transport:
            with pytest.raises(TLSError, match="an authority that is not trusted here"):
                await get(transport, server.url)


@pytest.mark.parametrize("key", ["beside it", "of its own"])
async def test_a_client_certificate_is_shown(key: str, server_tls, authority, tmp_path: Path) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_tls)
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    own = authority.issue_cert("client@shop.example")
    (tmp_path / "own.pem").write_bytes(own.cert_chain_pems[0].bytes())
    with (tmp_path / ("own.pem" if key == "beside it" else "own.key")).open("ab") as file:
        file.write(own.private_key_pem.bytes())
    settings = SMALL.with_(
        ca_file=tmp_path / "company.pem",
        client_certificate=tmp_path / "own.pem",
        client_key=None if key == "beside it" else tmp_path / "own.key",
    )
    async with Server(HELLO, ssl_context=server_tls) as server, opened(settings) as transport:
        assert (await get(transport, server.url)).body == b"hi"


async def test_a_file_that_is_no_certificate_is_named_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    for name in ("ca_file", "client_certificate"):
        for path in (tmp_path / "text.pem", tmp_path / "missing.pem"):
            with pytest.raises(ConfigurationError, match=f"{name}: cannot use .*{path.name}"):
                await FulfillmentClient(config(**{name: path})).open()


async def test_settings_for_a_session_of_ones_own_are_refused() -> None:
    for name in ("proxy", "ca_file", "client_certificate"):
        given = config(**{name: "http://127.0.0.1:9"})
        with pytest.raises(ConfigurationError, match=f"{name} has no effect on a session"):
            FulfillmentClient(given, session=object())  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="ca_file has no effect"):
        FulfillmentClient(config(ca_file="x"), ssl_context=ssl.create_default_context())
    FulfillmentClient(config(proxy="http://127.0.0.1:9"), ssl_context=ssl.create_default_context())


async def test_the_proxy_of_a_tunnel_gets_the_password_and_the_api_does_not() -> None:
    async with Server(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        settings = SMALL.with_(proxy=f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}", base_url="https://api.example/v2")
        async with opened(settings) as transport:
            with pytest.raises(ConnectError) as caught:
                await get(transport, "https://api.example/v2/stocks")
        (head,) = proxy.heads
    assert head.startswith(b"CONNECT api.example:443 ")
    assert b"Proxy-Authorization: Basic " + b64encode(f"me:{PASSWORD}".encode()) in head
    assert (caught.value.proxy_status, PASSWORD in str(caught.value)) == (403, False)
