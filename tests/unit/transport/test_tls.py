"""TLS that does not come about: an unknown authority, a bad certificate, and a client that has none, told apart."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from octoffm_async import NotAnsweredError, TLSError
from tests.unit.transport.test_aiohttp_transport import (
    HELLO,
    Server,
    get,
    opened,
    way,
)

__all__ = ["way"]

pytestmark = pytest.mark.filterwarnings("default::ResourceWarning")


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A server whose certificate nobody signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "own.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    return context


async def refused(server: Server, **given: ssl.SSLContext) -> TLSError:
    """The error of a request, which has not arrived."""
    async with server, opened(**given) as transport:
        with pytest.raises(TLSError) as caught:
            await get(transport, server.url)
    assert (caught.value.retryable, caught.value.bytes_left, server.heads) == (False, False, [])
    return caught.value


async def test_an_unknown_authority_is_told_with_the_way_to_trust_it(server_tls, monkeypatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    text = str(await refused(Server(HELLO, ssl_context=server_tls)))
    assert "an authority that is not trusted here: if it is your company's" in text
    assert "for ca_file (OCTOFFM_CA_FILE)" in text


async def test_an_authority_in_ssl_cert_file_is_trusted(server_tls, authority, monkeypatch, tmp_path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "company.pem"))
    async with Server(HELLO, ssl_context=server_tls) as server, opened() as transport:
        assert (await get(transport, server.url)).body == b"hi"


async def test_an_ssl_cert_file_that_does_not_help_is_named(server_tls, monkeypatch, tmp_path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    text = str(await refused(Server(HELLO, ssl_context=server_tls)))
    assert f"not trusted here (nor is it in SSL_CERT_FILE = {str(other)!r})" in text
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    assert "missing.pem' cannot be read" in str(await refused(Server(HELLO, ssl_context=server_tls)))


async def test_a_bad_certificate_is_no_matter_of_authorities(authority, client_tls, self_signed) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    bad = {
        "itself is bad": server_context(authority.issue_cert("localhost", not_after=past)),
        "is of another name": server_context(authority.issue_cert("elsewhere.example")),
        "is signed by itself": self_signed,
    }
    for expected, context in bad.items():
        text = str(await refused(Server(HELLO, ssl_context=context), ssl_context=client_tls))
        assert expected in text
        assert "authority" not in text


@contextmanager
def demanding(context: ssl.SSLContext) -> Iterator[int]:
    """A server that ends the handshake with the alert that says why, which asyncio's own does not send; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    with accepted.dup() as kept, suppress(OSError):
                        kept.settimeout(5)
                        with suppress(ssl.SSLError), context.wrap_socket(accepted, server_side=True):
                            pass
                        kept.shutdown(socket.SHUT_WR)
                        while kept.recv(4096):  # a reset would drop the alert
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    ("version", "given"),
    [*product([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ["none", "of another authority"])],
)
async def test_a_server_that_wants_a_client_certificate_is_told_so(  # noqa: PLR0917  (fixtures)
    version: ssl.TLSVersion, given: str, way: str, authority, server_tls, client_tls
) -> None:
    server_tls.verify_mode = ssl.CERT_REQUIRED
    server_tls.minimum_version = server_tls.maximum_version = version
    authority.configure_trust(server_tls)
    if given != "none":
        trustme.CA().issue_cert("client@shop.example").configure_cert(client_tls)
    with demanding(server_tls) as port:
        async with opened(ssl_context=client_tls) as transport:
            for method in ("GET", "POST"):
                with pytest.raises(NotAnsweredError) as caught:
                    await transport.send(method, f"https://localhost:{port}/", {}, b"{}", 2.0)
                assert way == "session" or not caught.value.bytes_left
                if way == "connector":  # aiohttp may meet the end before its reason
                    assert isinstance(caught.value, TLSError)
                    assert "wants a client certificate, or another one" in str(caught.value)
