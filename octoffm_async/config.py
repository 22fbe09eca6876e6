"""The configuration of a client: one frozen :class:`Config` with all settings, and the reason for each default."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, Unpack, cast
from urllib.parse import urlsplit

from .contract.access import BASE_URL, TOKEN_URL
from .contract.contract_file.model import ContractFile
from .contract.contract_file.parser import read_contract
from .contract.contract_file.problems import ContractFileError
from .contract.operations import Group
from .errors import ConfigurationError
from .header_rules import check_app_info, checked_headers
from .settings.network import check_proxy
from .settings.values import Limit, Secret, is_above_zero, is_whole

if TYPE_CHECKING:
    from .settings.typed import Settings

__all__ = ["Config", "Limit", "Secret"]

_REQUIRED = ("client_id", "client_secret", "seller_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a client. Times are in seconds, sizes in bytes.

    The source describes each setting below its name, with the reason for its default. Groups of calls are ``products``,
    ``inbound``, ``stocks``, ``outbound`` and ``returns``.

    Example::

        Config(client_id="…", client_secret="…", seller_id="98980", limit=Limit(5, per=1.0), store="run/state.sqlite")

    Raises:
        ConfigurationError: A setting is missing, has the wrong type or is out of range; the error names it.
    """

    client_id: str
    """Required: Octopia's id of your program."""
    client_secret: Secret | str
    """Required: its secret, which no log, error or repr shows."""
    seller_id: str
    """Required: the seller to act for; ``client.seller(…)`` acts for others."""
    base_url: str = BASE_URL
    """Address of the API."""
    token_url: str = TOKEN_URL
    """Address that gives tokens, of the identity provider."""
    sales_channel_id: str | None = None
    """Sent as ``SalesChannelId`` if set, e.g. ``CDISFR`` (seen: some calls require it)."""
    store: Secret | str | os.PathLike[str] | None = None
    """The address of a store through which processes share limits, pauses, learned rates and the token: a file's path
    on one machine, in a folder that only its owner can write, ``postgresql://…`` or ``redis://…`` for many machines."""
    processes: int = 10
    """The most processes that share the store: one that cannot reach it goes on with such a part of each limit."""
    token_file: str | os.PathLike[str] | None = None
    """Shares the token alone, in a file; kept for one release: set ``store`` instead."""

    contract: ContractFile | str | os.PathLike[str] | None = None
    """A contract file (TOML): the API's spelling of what the package assumes. A path is read at once; an error in the
    file is reported with its line. ``octoffm contract adopt`` writes one from the official OpenAPI file."""

    deadline: float = 60.0
    """Whole call, waits and retries included. Common gateways give up after 60 s."""
    bulk_deadline: float = 900.0
    """The same for each call of a bulk run, which is meant to wait out long pauses."""
    connect_timeout: float = 10.0
    """Time to open a TCP and TLS connection: long enough for three SYN retransmissions (1, 2 and 4 s)."""
    read_timeout: float = 30.0
    """Longest silence while a response is awaited. Half a deadline, so that a safe call has a second attempt."""

    max_attempts: int = 6
    """Attempts of one safe call before its error is raised; with full jitter they take about half a minute."""
    backoff_base: float = 0.5
    """Upper bound of the first back-off; it doubles with each failure."""
    backoff_cap: float = 20.0
    """Upper bound of any back-off."""
    throttle_base: float = 0.1
    """Upper bound of the first pause after a 429 without ``Retry-After``; it doubles as long as 429s are received. One
    request probes after each pause, so too short a pause costs one 429, too long a one costs throughput."""
    max_retry_after: float = 300.0
    """A ``Retry-After`` above this raises an error at once instead of a silent pause. Other calls of the same limit
    pause for this long at most; then one request tries whether the API is well again, for the time may be wrong."""
    retry_budget: int = 500
    """Units that retries spend (5, 10 after a time-out) and successes refill: 100 failures in a row, as in botocore."""

    limit: Limit | None = Limit(20, per=1.0)  # noqa: RUF009  (it is frozen)
    """Limit per seller and group; None is no limit. Octopia publishes none: a cautious guess, to be raised later."""
    limits: Mapping[Group | str, Limit | None] = field(default_factory=dict[Group | str, Limit | None])
    """Limits of single groups (``products``, ``stocks``, ``outbound``) in place of ``limit``."""
    limit_jitter: float = 0.02
    """Longest additional time of one request on its way to the API that its round trip does not show; the limiter
    lengthens every window by it, and by what the round trips of its requests show (up to 1 % of the window, and up to
    10 % on a busy machine)."""
    max_in_flight: int = 50
    """Requests in flight per seller and group. The throughput of one client process peaks between 10 and 100."""
    max_waiting: int = 10_000
    """Calls that may wait per seller and group; one more fails at once. Each takes a few kilobytes."""
    bulk_share: float = 0.25
    """Part of a limit for bulk calls while interactive calls need all of it: enough that a busy site does not stop a
    nightly job for good."""
    max_connections: int = 500
    """Connections of the pool: ten busy keys at full use, and well below the usual limit of 1,024 open files."""
    keepalive: float = 10.0
    """Time after which an idle connection is closed, before the server does it: a POST on a connection that the server
    has closed has an unknown outcome."""

    max_answer_bytes: int = 32 * 1024 * 1024
    """Largest answer that is read: fifty times a full page of 1,000 stocks."""
    allow_insecure_http: bool = False
    """Allow ``http://`` to a host other than this machine. Credentials are then sent unencrypted."""
    trust_env: bool = False
    """Use the proxies in ``HTTPS_PROXY`` and similar variables. ``.netrc`` is never read."""
    proxy: Secret | str | None = None
    """A proxy for all requests in place of those: ``http://user:password@proxy.example:3128``."""
    ca_file: str | os.PathLike[str] | None = None
    """Certificates (PEM) of authorities to trust beside the usual ones, such as your company's. ``SSL_CERT_FILE``
    replaces the usual ones."""
    client_certificate: str | os.PathLike[str] | None = None
    """A certificate (PEM) to show to a server or gateway that wants one, with its key unless ``client_key`` has it."""
    client_key: str | os.PathLike[str] | None = None
    """The key of ``client_certificate``, without a password."""
    app_info: str | None = None
    """Name of your program in the ``User-Agent``, such as ``shop/1.2 (it@shop.example)``, behind this package's."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """More headers for each call of the API, such as those of a company's gateway. Requests for tokens, which go to
    another server, do not have them; those that the client sets itself are refused."""

    def __post_init__(self) -> None:
        self._check_types()
        for name in _BOOLEANS:
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(f"{name} must be true or false, not {getattr(self, name)!r}")
        object.__setattr__(self, "client_secret", Secret(self.client_secret))
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))
        object.__setattr__(self, "headers", checked_headers("headers", self.headers))
        if self.app_info is not None:
            check_app_info(self.app_info)
        object.__setattr__(self, "limits", {_group(name): limit for name, limit in self.limits.items()})
        for name in _REQUIRED:
            if not (value := getattr(self, name)) or (isinstance(value, Secret) and not value.reveal()):
                raise ConfigurationError(f"{name} is empty")
        check_header_value("seller_id", self.seller_id)
        if self.sales_channel_id is not None:
            check_header_value("sales_channel_id", self.sales_channel_id)
        for name in ("base_url", "token_url"):
            _check_url(name, getattr(self, name), allow_insecure=self.allow_insecure_http)
        self._check_places()

    def _check_places(self) -> None:
        if self.token_file is not None:
            object.__setattr__(self, "token_file", _path("token_file", self.token_file))
            if self.store is not None:
                raise ConfigurationError(
                    "store and token_file are both set: leave out token_file, the store has the token"
                )
        if self.store is not None and not isinstance(self.store, Secret):  # it may contain a password
            object.__setattr__(self, "store", Secret(_path("store", self.store)))
        if self.proxy is not None:
            object.__setattr__(self, "proxy", Secret(self.proxy))  # it may contain a password
            check_proxy(Secret(self.proxy).reveal())
        for name in ("ca_file", "client_certificate", "client_key"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, _path(name, path))
        if self.client_key is not None and self.client_certificate is None:
            raise ConfigurationError("client_key is set, and client_certificate is not: a key alone shows nothing")
        if self.contract is not None and not isinstance(self.contract, ContractFile):
            object.__setattr__(self, "contract", _contract(self.contract))

    @property
    def contract_file(self) -> ContractFile:
        """The parsed contract file; an empty one if none is configured."""
        return self.contract if isinstance(self.contract, ContractFile) else ContractFile()

    def _check_types(self) -> None:
        for name in _TEXTS:
            value = getattr(self, name)
            if not isinstance(value, str | Secret) and not (value is None and name in ("sales_channel_id", "proxy")):
                raise ConfigurationError(f"{name} must be text, not {type(value).__name__}")
        for name in _ABOVE_ZERO + _FROM_ZERO:
            value = getattr(self, name)
            if not (is_above_zero(value) or (name in _FROM_ZERO and value == 0)):
                bound = "not be below zero" if name in _FROM_ZERO else "be above zero"
                raise ConfigurationError(f"{name} must {bound}, not {value!r}")
        for name in _WHOLE:
            if not is_whole(getattr(self, name)):
                raise ConfigurationError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        if self.bulk_share > 1:
            raise ConfigurationError(f"bulk_share must not be above 1, not {self.bulk_share!r}")
        if not isinstance(cast("object", self.limits), Mapping):
            raise ConfigurationError(f"limits must map groups to limits, not {self.limits!r}")
        for limit in (self.limit, *self.limits.values()):
            if not isinstance(cast("object", limit), Limit | None):
                raise ConfigurationError(f"a limit must be a Limit or None, not {limit!r}")

    @classmethod
    def from_env(
        cls, environment: Mapping[str, str] | None = None, *, profile: str | None = None, **settings: Unpack[Settings]
    ) -> Self:
        """Return a configuration from ``OCTOFFM_…`` variables and the file that ``OCTOFFM_CONFIG`` names, if any.

        Each setting has the variable of its name, such as ``OCTOFFM_CLIENT_ID``, ``OCTOFFM_LIMIT=20/1`` (or ``none``),
        ``OCTOFFM_LIMITS=stocks=40/1,outbound=none``, ``OCTOFFM_TRUST_ENV=true``, ``OCTOFFM_HEADERS={"X-Team": "a"}``.
        ``OCTOFFM_CLIENT_SECRET_FILE`` names a file with the secret, ``OCTOFFM_CLIENT_SECRET_COMMAND`` a command that
        prints it. Keyword arguments win over variables, variables over the file, and there the ``profile`` (or
        ``OCTOFFM_PROFILE``) over what is at the top.

        Raises:
            ConfigurationError: Settings are missing, or a name or value is wrong; the error names each, and the nearest
                right name.
        """
        return cls._read(None, environment, profile, settings)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        profile: str | None = None,
        environment: Mapping[str, str] | None = None,
        **settings: Unpack[Settings],
    ) -> Self:
        """Return a configuration as :meth:`from_env`, with this TOML file in place of that of ``OCTOFFM_CONFIG``.

        The names are those of this class, ``client_secret_file`` and ``client_secret_command``, at the top or under
        ``[octoffm]``. A profile is a table such as ``[profiles.staging]``.

        Raises:
            ConfigurationError: The file cannot be read, settings are missing, or a name or value is wrong.
        """
        return cls._read(path, environment, profile, settings)

    @classmethod
    def _read(
        cls,
        path: str | os.PathLike[str] | None,
        environment: Mapping[str, str] | None,
        profile: str | None,
        settings: Settings,
    ) -> Self:
        from .settings.sources import read_settings, variable_of

        source = os.environ if environment is None else environment
        found = read_settings(source, path=path, profile=profile, given=settings)
        values: dict[str, Any] = {name: one.value for name, one in found.items()} | settings
        if missing := [name for name in _REQUIRED if not values.get(name)]:
            variables = ", ".join(map(variable_of, missing))
            if path is None:
                raise ConfigurationError(f"not set in the environment: {variables}")
            raise ConfigurationError(f"{path}: missing: {', '.join(missing)}; set them there, or {variables}")
        return cls(**values)

    def with_(self, **changes: Unpack[Settings]) -> Self:
        """Return a copy with some settings changed."""
        return replace(self, **changes)

    def limit_for(self, group: Group) -> Limit | None:
        """Return the limit of one group; None is no limit."""
        return self.limits.get(group, self.limit)

    @property
    def secret(self) -> Secret:
        """The client secret, as a :class:`Secret`."""
        return Secret(self.client_secret)


_TEXTS = ("client_id", "client_secret", "seller_id", "base_url", "token_url", "sales_channel_id", "proxy")
_BOOLEANS = ("allow_insecure_http", "trust_env")
_WHOLE = (
    *("max_attempts", "retry_budget", "max_in_flight", "max_waiting", "max_connections", "max_answer_bytes"),
    "processes",
)
_ABOVE_ZERO = (
    "deadline",
    "bulk_deadline",
    "connect_timeout",
    "read_timeout",
    "max_attempts",
    "max_in_flight",
    "max_waiting",
    "max_connections",
    "keepalive",
    "max_answer_bytes",
    "processes",
)
_FROM_ZERO = (
    "backoff_base",
    "backoff_cap",
    "bulk_share",
    "throttle_base",
    "max_retry_after",
    "retry_budget",
    "limit_jitter",
)


def check_header_value(name: str, value: object) -> None:
    """Reject a value that cannot be sent in a header: anything but printable ASCII without spaces."""
    if not isinstance(value, str) or not value or not all("!" <= character <= "~" for character in value):
        raise ConfigurationError(f"{name} must be printable ASCII without spaces, not {value!r}")


def _check_url(name: str, url: str, *, allow_insecure: bool) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"{name} is not an http(s) address")  # not shown: it may contain a password
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigurationError(f"{name} must not contain a user name or password")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{name} must not contain a query or a fragment")
    host = parts.hostname or ""
    if parts.scheme == "http" and not allow_insecure and not _is_loopback(host):
        raise ConfigurationError(
            f"{name} is http:// to {host}: credentials would be sent in the clear; use https://, "
            "or set allow_insecure_http=True if you are sure"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _path(name: str, path: Any) -> str:
    text = os.fspath(cast("os.PathLike[str]", path)) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        if name == "store":  # not shown: it may contain a password
            raise ConfigurationError("store must be the path or the address of a store")
        raise ConfigurationError(f"{name} must be a path, not {path!r}")
    return text


def _contract(path: Any) -> ContractFile:
    try:
        return read_contract(_path("contract", path))
    except ContractFileError as error:
        raise ConfigurationError(str(error)) from None


def _group(name: Group | str) -> Group:
    groups = {group.value: group for group in Group if group is not Group.TOKEN}
    group = groups.get(name.value if isinstance(name, Group) else name)
    if group is None:
        raise ConfigurationError(f"limits: no group {name!r}; there are {', '.join(groups)}")
    return group
