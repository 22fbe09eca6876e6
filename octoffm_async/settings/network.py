"""The way to the network: the proxy for an address, and whom TLS trusts.

The proxies of the environment are looked up here, and not by aiohttp's ``trust_env``: that reads ``.netrc`` too, from
which a password of another program would be sent to the API, or in place of the token.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from ..errors import ConfigurationError
from .values import Secret

if TYPE_CHECKING:
    import os


class Proxy(NamedTuple):
    """The address of a proxy, without user and password, and the headers that hold those."""

    url: URL
    headers: dict[str, str]

    def arguments(self, url: URL) -> dict[str, Any]:
        """Return the arguments with which ``ClientSession`` sends a request by this proxy.

        Only a request to open a tunnel takes the proxy's headers from there; one without TLS has them itself.
        """
        return {"proxy": self.url} | ({"proxy_headers": self.headers} if url.scheme == "https" else {})

    def own_headers(self, url: URL) -> dict[str, str]:
        """Return the headers that the request itself needs."""
        return {} if url.scheme == "https" else self.headers

    def __repr__(self) -> str:
        return f"Proxy({str(self.url)!r})"


class NetworkSettings(Protocol):
    """The settings of ``Config`` that are about the network."""

    @property
    def trust_env(self) -> bool: ...
    @property
    def proxy(self) -> Secret | str | None: ...
    @property
    def ca_file(self) -> str | os.PathLike[str] | None: ...
    @property
    def client_certificate(self) -> str | os.PathLike[str] | None: ...
    @property
    def client_key(self) -> str | os.PathLike[str] | None: ...


def proxy_for(url: URL, settings: NetworkSettings) -> Proxy | None:
    """Return the proxy for an address: the configured one, or with ``trust_env`` that of the environment, if any."""
    if settings.proxy is not None:
        return _proxy(Secret(settings.proxy).reveal())
    return proxy_of_environment(url) if settings.trust_env else None


def proxy_of_environment(url: URL) -> Proxy | None:
    """Return the proxy that ``HTTPS_PROXY`` and similar variables name for an address; ``NO_PROXY`` excludes some."""
    host = url.host or ""
    if proxy_bypass(host) or proxy_bypass(f"{host}:{url.port}"):
        return None
    named = getproxies().get(url.scheme)
    return _proxy(named) if named else None


def _proxy(text: str) -> Proxy | None:
    try:
        url = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.host:
        return None
    if url.user is None and url.password is None:
        return Proxy(url, {})
    named = b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
    return Proxy(url.with_user(None), {"Proxy-Authorization": f"Basic {named}"})


def check_proxy(text: str) -> None:
    """Reject an address that is no proxy's; it is not shown, because it may contain a password.

    Raises:
        ConfigurationError: It is none.
    """
    if "://" not in text or _proxy(text) is None:
        raise ConfigurationError("proxy is not an address such as http://proxy.example:3128")


def tls_context(settings: NetworkSettings) -> ssl.SSLContext | None:
    """Return a context that trusts the authorities in a file beside the usual ones, and shows a client certificate.

    Raises:
        ConfigurationError: A file cannot be read, or holds something else.
    """
    ca_file, certificate = settings.ca_file, settings.client_certificate
    if ca_file is None and certificate is None:
        return None
    context = ssl.create_default_context()
    name = "ca_file"
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        if certificate is not None:
            name = "client_certificate"
            context.load_cert_chain(certificate, settings.client_key, password=_no_password)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        path = ca_file if name == "ca_file" else certificate
        why = "it holds no such certificate or key in PEM" if isinstance(error, ssl.SSLError) else error
        raise ConfigurationError(f"{name}: cannot use {path}: {why}") from None
    return context


def _no_password() -> str:
    raise ValueError("its key has a password: give one without, or an ssl_context= of yours")
