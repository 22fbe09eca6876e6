"""The front door: :class:`FulfillmentClient`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from .bulk.bulk import Bulk
from .bulk.changes import KINDS, OVERLAP, ChangeFeed
from .bulk.single import protect
from .config import Config, check_header_value
from .errors import ConfigurationError
from .events import LoggingHook
from .resources.inbound import Inbound
from .resources.outbound import Outbound
from .resources.products import Products
from .resources.returns import Returns
from .resources.stocks import Stocks
from .session.file_tokens import FileTokenStore
from .session.pipeline import Session
from .session.scope import Scope
from .session.transport import AiohttpTransport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    import aiohttp

    from .bulk.changes import ChangeKind
    from .events import ContractDrift, Hook
    from .session.lanes import Lane
    from .session.limit_stores import LimitStore
    from .session.response import Response
    from .session.stats import Stats
    from .session.token_stores import TokenStore
    from .session.transport import Transport


class SellerClient:
    """The API for one seller. Views for other sellers share connections, token and retry budget, not limits."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.products = Products(scope)
        self.inbound = Inbound(scope, protect)
        self.stocks = Stocks(scope)
        self.outbound = Outbound(scope, protect)
        self.returns = Returns(scope)

    @cached_property
    def bulk(self) -> Bulk:
        """Runs over many items."""
        return Bulk(self._scope)

    @property
    def seller_id(self) -> str:
        """The seller that calls are made for."""
        return self._scope.seller_id

    def seller(self, seller_id: str) -> SellerClient:
        """The same API for another seller: same pool, same token, own limits.

        Raises:
            ConfigurationError: the id cannot stand in a header.
        """
        check_header_value("seller_id", seller_id)
        return SellerClient(Scope(self._scope.session, seller_id, self._scope.options))

    def with_options(
        self,
        *,
        deadline: float | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        lane: Lane | None = None,
        on_response: Callable[[Response], object] | None = None,
        on_bad_row: Literal["raise", "skip"] | None = None,
        strict_references: bool | None = None,
    ) -> SellerClient:
        """The same API with other options for its calls: a cheap copy that shares everything else.

        ``deadline`` seconds bound a whole call, waits and retries included; ``timeout`` bounds the silence while an
        answer is awaited; ``retries`` the repetitions (0: none, not even after a 429). Calls of the ``interactive``
        lane go before those of the ``bulk`` lane (bulk runs use it) on the same limit. ``on_response`` is given each
        answer as it came (status, headers, bytes), of every attempt. ``on_bad_row`` says what becomes of a list's row
        that has no identity: ``"raise"`` (:class:`BadRowError`, the default) or ``"skip"``. ``strict_references`` has
        creations refused, before anything is sent, whose reference an API may keep in another form: with blanks around
        it or signs that nobody sees, not composed (NFC), or of more than 50 signs; else the log tells of them. What is
        not given stays as it is.

        Raises:
            ConfigurationError: an option is out of range.
        """
        options = self._scope.options.changed(
            deadline=deadline,
            timeout=timeout,
            retries=retries,
            lane=lane,
            on_response=on_response,
            on_bad_row=on_bad_row,
            strict_references=strict_references,
        )
        return SellerClient(Scope(self._scope.session, self.seller_id, options))

    def changes(
        self,
        since: datetime | Mapping[ChangeKind, datetime],
        *,
        kinds: Iterable[ChangeKind] = KINDS,
        every: float | None = None,
        overlap: float = OVERLAP,
        limit: int = 1000,
    ) -> ChangeFeed:
        """A feed of what changed since then: outbound and inbound shipments, stocks, returns (or some ``kinds``).

        Iterate it for :class:`Change` objects. Without ``every`` (seconds) an iteration is one scan and the next one
        goes on where it ended; with it, one iteration goes on for ever. ``feed.watermark`` can be saved and passed as
        ``since`` later. Each scan looks ``overlap`` seconds further back. Outbound shipments are followed by the time
        of their status (**S**), the others by their update time (stocks **D**, else **A**).

        Raises:
            ValidationError: an argument is out of range, or a time has no zone.
        """
        return ChangeFeed(self._scope, since, kinds=kinds, every=every, overlap=overlap, limit=limit)

    async def request(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None
    ) -> Response:
        """Call what this package does not model, with the same token, limits, retries and errors.

        ``path`` is under the base URL and encoded (``/stocks/42``), ``params`` is the query, ``json`` anything that
        msgspec encodes. The answer comes as it is: ``status``, ``headers``, ``body`` (bytes), ``json()``. GET and HEAD
        are repeated after failures; other methods only after one that shows that the call was not carried out.

        Raises:
            ValidationError: the method or the path cannot be right; nothing was sent.
            CallError: the call did not succeed (any status outside 2xx); see ``outcome_unknown``.
        """
        return await self._scope.request(method, path, json=json, params=params)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} seller {self.seller_id} at {self._scope.session.config.base_url}>"


class FulfillmentClient(SellerClient):
    """The asyncio client of Octopia's fulfillment API.

    Enter it to open it: ``async with FulfillmentClient(config) as client``. It belongs to the event loop that it was
    opened on, holds no task group, and may be opened again after it was closed.

    ``session`` is an ``aiohttp.ClientSession`` of yours to use in place of an own one; it stays open. ``hooks`` are
    told what happens (see :mod:`octoffm_async.events`); by default the standard logger is. ``token_store`` shares the
    token with other clients and processes, for instance :class:`~octoffm_async.FileTokenStore`; by default it is a file
    if ``config.token_file`` names one, else the token is this client's own. ``limit_store`` shares the limits, pauses
    and learned rates with other clients and processes that are given the same one, for instance
    :class:`~octoffm_async.cluster.redis_limits.RedisLimits`; all must be configured with the same limits.
    """

    def __init__(
        self,
        config: Config,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        hooks: Sequence[Hook] = (LoggingHook(),),
        transport: Transport | None = None,
        token_store: TokenStore | None = None,
        limit_store: LimitStore | None = None,
    ) -> None:
        self.config = config
        if session is not None and ssl_context is not None:
            raise ConfigurationError(
                "ssl_context= has no effect on a session of yours: set it on the session's connector"
            )
        transport = transport or AiohttpTransport(config, session=session, ssl_context=ssl_context)
        if token_store is None and config.token_file is not None:
            token_store = FileTokenStore(config.token_file)
        calls = Session(config, transport, hooks, token_store=token_store, limit_store=limit_store)
        super().__init__(Scope(calls, config.seller_id))

    @classmethod
    def from_env(cls, **settings: Any) -> Self:
        """A client configured by ``OCTOFFM_…`` variables; see :meth:`Config.from_env`.

        Raises:
            ConfigurationError: naming every variable that is missing.
        """
        return cls(Config.from_env(**settings))

    @classmethod
    def from_file(cls, path: str | Path, **settings: Any) -> Self:
        """A client configured by a TOML file; see :meth:`Config.from_file`.

        Raises:
            ConfigurationError: the file cannot be read, or names a setting that does not exist or is missing.
        """
        return cls(Config.from_file(path, **settings))

    async def __aenter__(self) -> Self:
        self._scope.session.open()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> Self:
        """Open it without ``async with``; :meth:`close` it in the end."""
        return await self.__aenter__()

    async def close(self, *, drain: float = 5.0) -> None:
        """Take no more calls, give those under way ``drain`` seconds, then let go of the connections."""
        await self._scope.session.close(drain=drain)

    async def check(self) -> float:
        """Fetch a token if there is none: whether address and credentials are good. Seconds that the token is good for.

        Raises:
            CredentialsRefusedError: the credentials were refused.
            CallError: the token endpoint could not be reached.
        """
        return await self._scope.session.check()

    def reset_credentials(self) -> None:
        """Forget that the credentials were refused, for instance after the secret was renewed.

        Those who share the token store forget it too, with this client's next call.
        """
        self._scope.session.tokens.reset()

    @property
    def drift(self) -> tuple[ContractDrift, ...]:
        """How answers differed from the contract so far, in order: each difference once, 1000 of them at most.

        A program that runs for long may listen for :class:`ContractDrift` by a hook in place of asking.
        """
        seen = self._scope.session.drift.seen
        return tuple(seen[key] for key in sorted(seen))

    def stats(self) -> Stats:
        """What the client did so far and how it stands: all sellers together, and key by key (seller and group)."""
        return self._scope.session.snapshot()
