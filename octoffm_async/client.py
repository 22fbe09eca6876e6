"""The main entry point: :class:`FulfillmentClient`."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from msgspec import UNSET, UnsetType

from .auth.keyvalue_store import FileTokenStore, KeyValueTokenStore
from .config import Config, check_header_value
from .errors import ClosedError, ConfigurationError, OctoffmError
from .events import LoggingHook
from .feeds.change_feed import KINDS, ChangeFeed
from .feeds.window_reader import OVERLAP
from .ratelimit.shared.store import KeyValueLimits
from .ratelimit.stats import Health
from .resources.inbound import Inbound
from .resources.outbound import Outbound
from .resources.products import Products
from .resources.raw_responses import RawResponses
from .resources.returns import Returns
from .resources.stocks import Stocks
from .session.seller_session import SellerSession
from .session.session import Session
from .stores.base import KeyValueStore
from .stores.open import open_store
from .transport.aiohttp_transport import AiohttpTransport

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    import aiohttp

    from .auth.store import TokenStore
    from .bulk.bulk import Bulk
    from .config import Secret
    from .events import ContractDrift, Hook
    from .feeds.change_feed import ChangeKind
    from .ratelimit.priority_queue import Priority
    from .ratelimit.shared.store import LimitStore
    from .ratelimit.stats import Stats
    from .settings.typed import Settings, SettingsWithoutStore
    from .transport.aiohttp_transport import Transport
    from .transport.response import Response


class SellerClient:
    """The API for one seller. Clients for other sellers share connections, token and retry budget, not limits."""

    def __init__(self, scope: SellerSession) -> None:
        self._scope = scope
        self.products: Products = Products(scope)
        self.inbound: Inbound = Inbound(scope, _protect)
        self.stocks: Stocks = Stocks(scope)
        self.outbound: Outbound = Outbound(scope, _protect)
        self.returns: Returns = Returns(scope)

    @cached_property
    def bulk(self) -> Bulk:
        """Bulk runs over many items."""
        from .bulk.bulk import Bulk  # loaded by those who use it: it takes as long as all the rest

        return Bulk(self._scope)

    @property
    def seller_id(self) -> str:
        """The seller for whom calls are made."""
        return self._scope.seller_id

    def seller(self, seller_id: str) -> SellerClient:
        """Return the same API for another seller: same connection pool, same token, own limits.

        Raises:
            ConfigurationError: The id cannot be sent in a header.
        """
        check_header_value("seller_id", seller_id)
        return SellerClient(SellerSession(self._scope.session, seller_id, self._scope.options))

    @property
    def config(self) -> Config:
        """The configuration of the client, which all views and sellers share."""
        return self._scope.session.config

    def stats(self, *, keys: bool = True) -> Stats:
        """Return the counters and the present state of the client: in total, and by key (seller and group).

        It may be called from another thread. A key costs about a microsecond: a program of thousands of sellers that
        asks often does so in a thread, or with ``keys=False``, which leaves ``keys`` empty.
        """
        return self._scope.session.snapshot("all" if keys else "none")

    @property
    def with_raw_response(self) -> RawResponses:
        """The same single calls, each of which gives the API's answer beside its value: :class:`RawResponse`.

        ``found = await client.with_raw_response.outbound.get(id)`` has ``found.value``, ``found.response`` (status,
        headers, bytes) and ``found.trace_id``.
        """
        return RawResponses(self._scope, _protect)

    def with_options(
        self,
        *,
        deadline: float | UnsetType | None = UNSET,
        timeout: float | UnsetType | None = UNSET,
        retries: int | UnsetType | None = UNSET,
        lane: Priority | UnsetType | None = UNSET,
        on_response: Callable[[Response], object] | UnsetType | None = UNSET,
        on_bad_row: Literal["raise", "skip"] | UnsetType | None = UNSET,
        strict_references: bool | UnsetType | None = UNSET,
        headers: Mapping[str, str] | UnsetType | None = UNSET,
    ) -> SellerClient:
        """Return a copy with other options for its calls; it is cheap and shares everything else.

        ``deadline`` seconds bound a whole call, waits and retries included; ``timeout`` bounds the silence while a
        response is awaited; ``retries`` bounds the repetitions (0: none, not even after a 429). ``lane`` is the
        priority: calls with ``"interactive"`` go before those with ``"bulk"`` (which bulk runs use) within the same
        limit. ``on_response`` is called with each raw response (status, headers, bytes), of every attempt.
        ``on_bad_row`` decides about a row of a list that has no identity: ``"raise"`` (:class:`BadRowError`, the
        default) or ``"skip"`` it. ``strict_references`` rejects a creation, before anything is sent, whose reference an
        API may keep in another form: with blanks around it or invisible characters, not composed (NFC), or of more than
        50 characters; without it the client logs them. ``headers`` are sent in addition, in place of those of the
        configuration and of this view with the same names; the client's own cannot be replaced.

        An option that is not given keeps its value; ``None`` sets it back to that of the configuration.

        Raises:
            ConfigurationError: An option is out of range, or a header cannot be sent.
        """
        given: dict[str, Any] = {
            "deadline": deadline,
            "timeout": timeout,
            "retries": retries,
            "lane": lane,
            "on_response": on_response,
            "on_bad_row": on_bad_row,
            "strict_references": strict_references,
        }
        changes = {name: value for name, value in given.items() if value is not UNSET}
        options = self._scope.options.changed(**changes)
        if headers is not UNSET:
            options = options.with_headers(headers)
        return SellerClient(SellerSession(self._scope.session, self.seller_id, options))

    def changes(
        self,
        since: datetime | Mapping[ChangeKind, datetime],
        *,
        kinds: Iterable[ChangeKind] = KINDS,
        every: float | None = None,
        overlap: float = OVERLAP,
        limit: int = 1000,
    ) -> ChangeFeed:
        """Return a feed of changes since a time: outbound and inbound shipments, stocks, returns (or some ``kinds``).

        Iterate over it for :class:`Change` objects. Without ``every`` (seconds) an iteration is one scan, and the next
        one continues at its end; with it, one iteration never ends. ``feed.watermark`` can be saved and passed as
        ``since`` later. Each scan looks ``overlap`` seconds further back. The feed tracks outbound shipments by the
        time of their status (seen), the others by their update time (documented for stocks, else assumed).

        Raises:
            ValidationError: An argument is out of range, or a time has no zone.
        """
        return ChangeFeed(self._scope, since, kinds=kinds, every=every, overlap=overlap, limit=limit)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Make a call that this package does not model, with the same token, limits, retries and errors.

        ``path`` is under the base URL and encoded (``/stocks/42``), ``params`` is the query, ``json`` anything that
        msgspec encodes; ``headers`` are sent in addition. The response is not decoded: ``status``, ``headers``,
        ``body`` (bytes), ``json()``. GET and HEAD are repeated after failures; other methods only after a failure that
        shows that the call was not carried out.

        Raises:
            ValidationError: The method or the path cannot be right; nothing was sent.
            ConfigurationError: A header cannot be sent, or is the client's own.
            CallError: The call did not succeed (any status outside 2xx); see ``outcome_unknown``.
        """
        return await self._scope.request(method, path, json=json, params=params, headers=headers)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} seller {self.seller_id} at {self._scope.session.config.base_url}>"


class FulfillmentClient(SellerClient):
    """The asyncio client of Octopia's fulfillment API.

    Enter it to open it: ``async with FulfillmentClient(config) as client``. Without ``config`` the settings are those
    of :meth:`Config.from_env`; keyword arguments with the names of settings win over both. The client belongs to the
    event loop on which it was opened, and to the process: anywhere else (another thread, a later ``asyncio.run``, a
    forked child) each call raises :class:`ClosedError` and sends nothing. It holds no task group, and may be opened
    again after it was closed, or after its loop was.

    ``session`` is an ``aiohttp.ClientSession`` to use instead of the client's own; the client does not close it.
    ``hooks`` are called with events (see :mod:`octoffm_async.events`), beside a :class:`LoggingHook`, which writes them
    to the standard logger; ``logging=False`` leaves that one out. ``store`` shares the token, and the limits with their
    pauses and learned rates, with all clients and processes that name the same store; all must be configured with the
    same limits. It is a :class:`~octoffm_async.stores.KeyValueStore` or the address of one (a file's path,
    ``postgresql://…``, ``redis://…``), by default that of ``config.store``. ``token_store`` and ``limit_store``, one
    half each, are kept for one release.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        hooks: Sequence[Hook] = (),
        logging: bool = True,
        transport: Transport | None = None,
        store: KeyValueStore | Secret | str | os.PathLike[str] | None = None,
        token_store: TokenStore | None = None,
        limit_store: LimitStore | None = None,
        **settings: Unpack[SettingsWithoutStore],
    ) -> None:
        config = Config.from_env(**settings) if config is None else config.with_(**settings)
        if session is not None and ssl_context is not None:
            raise ConfigurationError(
                "ssl_context= has no effect on a session of yours: set it on the session's connector"
            )
        for name in ("proxy", "ca_file", "client_certificate"):
            if getattr(config, name) is not None and (session is not None or (ssl_context and name != "proxy")):
                raise ConfigurationError(f"{name} has no effect on a session or an ssl_context of yours: set it there")
        transport = transport or AiohttpTransport(config, session=session, ssl_context=ssl_context)
        self._own_tokens: KeyValueTokenStore | None = None
        store = config.store if store is None else store
        if token_store is not None or limit_store is not None:
            if store is not None:
                raise ConfigurationError(
                    "store is set, and has token and limits: leave out token_store and limit_store"
                )
            text = "token_store= and limit_store= will go: give store=, which shares both"
            warnings.warn(text, DeprecationWarning, stacklevel=2)
        if store is not None:
            opened = store if isinstance(store, KeyValueStore) else open_store(store)
            token_store = self._own_tokens = KeyValueTokenStore(opened)
            limit_store = KeyValueLimits(opened, processes=config.processes)
        elif token_store is None and config.token_file is not None:
            token_store = self._own_tokens = FileTokenStore(config.token_file)
        if logging and not any(isinstance(hook, LoggingHook) for hook in hooks):
            hooks = (LoggingHook(), *hooks)
        calls = Session(config, transport, hooks, token_store=token_store, limit_store=limit_store)
        super().__init__(SellerSession(calls, config.seller_id))
        for hook in calls.events.tracers:
            if observe := getattr(hook, "observe", None):
                observe(self)

    @classmethod
    def from_env(cls, *, profile: str | None = None, **settings: Unpack[Settings]) -> Self:
        """Return a client configured by ``OCTOFFM_…`` variables; see :meth:`Config.from_env`.

        Raises:
            ConfigurationError: Settings are missing or wrong; the error names each of them.
        """
        return cls(Config.from_env(profile=profile, **settings))

    @classmethod
    def from_file(
        cls, path: str | os.PathLike[str], *, profile: str | None = None, **settings: Unpack[Settings]
    ) -> Self:
        """Return a client configured by a TOML file and variables; see :meth:`Config.from_file`.

        Raises:
            ConfigurationError: The file cannot be read, or settings are missing or wrong.
        """
        return cls(Config.from_file(path, profile=profile, **settings))

    async def __aenter__(self) -> Self:
        await self._scope.session.discard()
        self._scope.session.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except ClosedError:  # of a fork within the block: an exit of the child must remain an exit
            if exc is None:
                raise

    async def open(self) -> Self:
        """Open the client without ``async with``; :meth:`close` it in the end."""
        return await self.__aenter__()

    async def close(self, *, drain: float = 5.0) -> None:
        """Reject new calls, give running calls ``drain`` seconds to end, then close the connections.

        Raises:
            ClosedError: The client is open on another event loop, or in the process that forked this one.
        """
        await self._scope.session.discard()
        try:
            await self._scope.session.close(drain=drain)
        finally:
            if self._own_tokens is not None:
                await self._own_tokens.close()

    async def check(self) -> float:
        """Check addresses and credentials: fetch a token if there is none; return for how many seconds it is valid.

        Raises:
            CredentialsRefusedError: The credentials were refused.
            CallError: The token endpoint could not be reached.
        """
        return await self._scope.session.check()

    async def health(self, *, ask: bool = False) -> Health:
        """Return whether the client can serve now, for liveness and readiness checks.

        Nothing is sent; with ``ask`` a token is fetched if there is none, as :meth:`check` does.
        """
        session = self._scope.session
        reasons: list[str] = []
        if alive := session.affinity.loop is not None and not session.affinity.is_elsewhere():
            try:
                if ask:
                    await self.check()
            except OctoffmError as error:
                reasons.append(f"no token: {type(error).__name__}")
        else:
            reasons.append("the client is not open on this event loop and in this process")
        stats = session.snapshot("paused")
        if session.tokens.are_refused:
            reasons.append("the credentials are refused")
        if stats.circuit == "open":
            reasons.append("the API fails so often that calls are held back")
        return Health(
            alive=alive,
            ready=not reasons,
            reasons=tuple(reasons),
            circuit=stats.circuit,
            token_left=stats.token_left,
            paused={f"{key.seller_id} {key.group}": key.paused_for for key in stats.keys},
        )

    def reset_credentials(self) -> None:
        """Forget that the credentials were refused, for instance after the secret was renewed.

        Clients that share the token store forget it too, with this client's next call.
        """
        self._scope.session.tokens.reset()

    @property
    def drift(self) -> tuple[ContractDrift, ...]:
        """The differences between responses and the contract so far, sorted: each once, 1000 of them at most.

        A program that runs for long may use a hook for :class:`ContractDrift` instead of reading this.
        """
        seen = self._scope.session.drift.seen
        return tuple(seen[key] for key in sorted(seen))


async def _protect(*arguments: Any, **options: Any) -> str:
    """Create through a journal; what does so is loaded by the first such call."""
    from .bulk.durable.single_creation import protect

    return await protect(*arguments, **options)
