"""The sandbox in this process: a real HTTP server on a loopback port, and its control methods."""

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from random import Random
from typing import TypeVar, Unpack

from aiohttp import web

from octoffm_async.affinity import Affinity
from octoffm_async.contract.contract_file.model import ContractFile
from octoffm_async.contract.contract_file.parser import read_contract
from octoffm_async.contract.operations import Group

from .base import Addresses, BaseSandbox
from .control.methods import CalledMethods, ControlCommand
from .control.routes import carry_out
from .control.verbs import CONTROL_PATH
from .faults import Faults
from .http.call import API_PATH
from .http.rate_limit import Limit, RequestLimits, RetryAfter
from .http.request_log import RequestRecord, Requests
from .http.request_reader import make_request
from .http.routes import TOKEN_PATH
from .http.server import Server
from .http.tokens import Tokens
from .settings import Inspection, Reception, ResponseStyle, StyleOptions, Timeline, style_of
from .spelling.contract_dialect import Dialect
from .state import SandboxState
from .world.clock import Clock
from .world.seed import fill_catalogue, seed_stocks
from .world.state_file import StateFile, StateStore
from .world.stock_movements import set_countries
from .world.world import AllEffects, World

SELLERS = ("12345", "98980")
"""Default sellers."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LONGEST_LINE = 1024 * 1024  # bytes of a request's first line: a long query gets a problem, not the parser's error text
_DRAIN = 1.0  # seconds for requests in flight when the server stops


ResultT = TypeVar("ResultT")


class Sandbox(BaseSandbox, CalledMethods):
    """An emulator of the fulfillment API.

    ``async with Sandbox(seed=7) as sandbox`` serves until the block ends. The same seed and the same requests give the
    same ids, tokens and random faults. There is no rate limit unless ``limit`` or ``limits`` (by group) set one, as
    (requests, seconds), for each seller and group. A ``stop`` followed by a ``start`` simulates an outage: the port and
    all rows stay. ``token_life`` is in seconds; ``token_quota`` is the number of tokens per hour. ``countries`` lists
    the storage countries of each seller; a seller that is not in it may use FR, ES and UK. The sandbox loads
    ``state_file`` at the first start, if the file exists, and writes it at each stop. In a new world, ``catalogue`` is
    the number of products that the first seller has from the beginning, with ``stock`` items of each. ``monotonic`` is
    the clock behind the limits, the life of tokens and the sandbox's clock; a test on a driven event loop passes the
    loop's ``time``. Where no public source describes the form of a response, ``style`` chooses it: the fields of
    :class:`~octoffm_async.sandbox.ResponseStyle`, as keyword arguments of the sandbox (``names="pascal"``). With a
    ``contract`` file (its path or its parsed content) the sandbox uses the names of that file in both directions, and
    refuses requests with other names.

    Raises:
        ValueError: a setting is invalid; the message names it and its value.
        TypeError: a keyword argument is no setting.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        sellers: Sequence[str] = SELLERS,
        client_id: str = "sandbox-client",
        client_secret: str = "sandbox-secret",  # noqa: S107  (of the emulator, and public)
        token_life: float = 7200.0,
        token_quota: int = 500,
        limit: Limit | None = None,
        limits: Mapping[Group, Limit] | None = None,
        retry_after: RetryAfter | None = None,
        timeline: Timeline | None = None,
        inspection: Inspection | None = None,
        reception: Reception | None = None,
        countries: Mapping[str, Collection[str]] | None = None,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        state_file: str | os.PathLike[str] | None = None,
        catalogue: int = 0,
        stock: int = 100,
        monotonic: Callable[[], float] = time.monotonic,
        contract: ContractFile | str | os.PathLike[str] | None = None,
        **style: Unpack[StyleOptions],
    ) -> None:
        if host not in _LOOPBACK:
            raise ValueError(f"host = {host!r}: the sandbox serves on loopback only ({', '.join(_LOOPBACK)})")
        if catalogue < 0 or stock < 0:
            raise ValueError(f"catalogue = {catalogue}, stock = {stock}: must not be below zero")
        forms = style_of(style)
        dialect = None if contract is None else _dialect(contract, forms)
        self.client_id = client_id
        self.client_secret = client_secret
        self._host = host
        self._port = port
        self._runner: web.ServerRunner | None = None
        self._affinity = Affinity("the sandbox", self._close_ports)
        # Each purpose has its own generator, so that one more fault does not change the ids.
        rngs = {purpose: Random(f"{seed}/{purpose}") for purpose in ("world", "tokens", "faults", "traces")}
        self._fill = partial(fill_catalogue, rng=Random(f"{seed}/catalogue"), products=catalogue, stock=stock)
        world = World(
            sellers=sellers,
            clock=Clock(speed=speed, monotonic=monotonic),
            timeline=timeline or Timeline(),
            rng=rngs["world"],
            inspection=inspection,
            reception=reception,
            ids=forms.ids,
        )
        self._state = SandboxState(
            world=world,
            tokens=Tokens(
                rng=rngs["tokens"],
                client_id=client_id,
                client_secret=client_secret,
                life=token_life,
                quota=token_quota,
                monotonic=monotonic,
            ),
            limits=RequestLimits(limit, limits),
            faults=Faults(rngs["faults"]),
            requests=Requests(),
            state_store=StateStore(world, rngs, None if state_file is None else StateFile(state_file)),
        )
        self._state.retry_after = retry_after
        set_countries(self._state.world, countries or {})
        self._server = Server(self._state, style=forms, rng=rngs["traces"], monotonic=monotonic, dialect=dialect)

    async def start(self) -> None:
        """Start serving. A start after a stop takes the same port again.

        Raises:
            RuntimeError: the sandbox is already started.
            StateFileError: the state file is unusable.
        """
        self._affinity.check_process()
        if self._runner is not None and not self._affinity.is_orphaned():
            raise RuntimeError("the sandbox is already started")
        self._close_ports()
        self._affinity.bind()
        if not self._state.state_store.loaded and not await self._state.state_store.load():
            self._fill(self._state.world)
        self._server.stopping = asyncio.Event()
        self._runner = web.ServerRunner(
            web.Server(self._server.handle, request_factory=make_request, access_log=None, max_line_size=_LONGEST_LINE),
            shutdown_timeout=_DRAIN,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=1024)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._server.origin = self._origin

    async def stop(self) -> None:
        """Wait up to 1 s for requests in flight, close the port, save. All rows and counters stay readable.

        Raises:
            ClosedError: it was started on another event loop, or in the process that forked this one.
        """
        if self._affinity.is_orphaned():
            self._close_ports()
        self._affinity.check_home()
        runner, self._runner = self._runner, None
        if runner is not None:
            self._server.stopping.set()
            await runner.cleanup()
            await self.save()
        self._affinity.release()

    async def save(self) -> None:
        """Write the state file now, if there is one.

        Raises:
            StateFileError: another program has written the file since, or it cannot be written.
        """
        self._affinity.check_process()
        await self._state.state_store.save()

    @property
    def _origin(self) -> str:
        if self._port == 0:
            raise RuntimeError("the sandbox has no address before it is started")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def _addresses(self) -> Addresses:
        """The paths of the server under its origin."""
        origin = self._origin
        return Addresses(origin + API_PATH, origin + TOKEN_PATH, origin + CONTROL_PATH)

    @property
    def seller_id(self) -> str:
        """The first seller, the default of clients."""
        return self._state.world.first_seller

    @property
    def clock(self) -> Clock:
        """The clock of life cycles and timestamps; ``clock.advance(seconds)`` moves it."""
        return self._state.world.clock

    @property
    def effects(self) -> AllEffects:
        """Counters of created rows: ``effects.outbound["ORDER-1"]`` is the number of shipments with that reference."""
        return self._state.world.effects

    @property
    def faults(self) -> Faults:
        """The faults of requests, random and scripted."""
        return self._state.faults

    @property
    def requests(self) -> Requests:
        """Counters of requests."""
        return self._state.requests

    @property
    def arrivals(self) -> deque[RequestRecord]:
        """The last 200,000 requests, in the order of their responses."""
        return self._state.requests.arrivals

    @property
    def tokens(self) -> Tokens:
        """The issued tokens; ``tokens.expire_now()`` makes all of them expire early."""
        return self._state.tokens

    @property
    def limit(self) -> Limit | None:
        """The rate limit (requests, seconds) of each seller and group. Settable at any time; replaces ``limits``."""
        return self._state.limits.limit

    @limit.setter
    def limit(self, limit: Limit | None) -> None:
        self._state.limits.set(limit)

    @property
    def retry_after(self) -> RetryAfter | None:
        """The form of ``Retry-After`` in a 429; ``None`` omits the header. Settable at any time."""
        return self._state.retry_after

    @retry_after.setter
    def retry_after(self, form: RetryAfter | None) -> None:
        self._state.retry_after = form

    def stats(self) -> dict[str, object]:
        """Return the counters of requests and tokens, as ``SandboxProcess.stats`` does."""
        return self._state.stats()

    def execute(self, command: ControlCommand[ResultT]) -> ResultT:
        """Execute the command of a control method and return its result."""
        self._affinity.check_process()
        return command.read(carry_out(self._state, command.body))

    def seed_stocks(
        self,
        count: int,
        *,
        spread: float | Callable[[int], float] = 86_400.0,
        quantity: int = 1,
        seller: str | None = None,
    ) -> None:
        """Register ``count`` products, ``SEED-0000001`` and so on, whose stocks in FR changed in the past.

        The times of change lie evenly in the last ``spread`` seconds; a function ``spread`` returns, for each stock (0,
        1, 2…), the seconds since its change. ``quantity`` is the available items of each stock.

        Raises:
            ValueError: a change would be in the future, or older than the newest change of the seller's stocks.
        """
        seed_stocks(self._state.world, seller, count, spread=spread, quantity=quantity)

    def _close_ports(self) -> None:
        """Close the ports without the event loop: in a forked child, or when the loop was closed first."""
        for site in () if self._runner is None else self._runner.sites:
            for listening in getattr(getattr(site, "_server", None), "sockets", ()):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nothing:  # one that is never readable
                    os.dup2(nothing.fileno(), listening.fileno(), inheritable=False)
        self._runner = None
        self._affinity.release()


def _dialect(contract: ContractFile | str | os.PathLike[str], style: ResponseStyle) -> Dialect:
    if style.names != "camel":
        raise ValueError(f"names = {style.names!r}: the contract file determines the spelling of names")
    return Dialect(contract if isinstance(contract, ContractFile) else read_contract(os.fspath(contract)))
