"""The sandbox in a process of its own, for benchmarks and for clients that must not share an event loop with it."""

import asyncio
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike, fspath
from typing import Any, Unpack

import aiohttp
import msgspec
from msgspec import UNSET, UnsetType

from .face import SandboxFace
from .faults import Fault, Only, Rate
from .quota import Limit, RetryAfter
from .settings import StyleOptions, style_of
from .styles import style_texts
from .verbs import CONTROL_PATH, LimitOrder

_STDERR_LINES = 20
_TERMINATION = 5.0  # seconds that the child gets to end by itself


class SandboxStartError(RuntimeError):
    """The child did not come up; the message ends with the last lines of its standard error."""


class _Greeting(msgspec.Struct, frozen=True):
    base_url: str
    token_url: str
    control_url: str
    client_id: str
    client_secret: str
    seller_id: str


class SandboxProcess(SandboxFace):
    """A sandbox in a child process that ends with this one, even if this one is killed.

    It has the face of :class:`~octoffm_async.sandbox.Sandbox` and takes the same ``style``; what drives it is awaited,
    because it goes by HTTP.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        sellers: Sequence[str] | None = None,
        token_life: float = 7200.0,
        limit: Limit | None = None,
        retry_after: RetryAfter | None = None,
        speed: float = 1.0,
        port: int = 0,
        state_file: str | PathLike[str] | None = None,
        catalogue: int = 0,
        stock: int = 100,
        contract: str | PathLike[str] | None = None,
        start_timeout: float = 15.0,
        **style: Unpack[StyleOptions],
    ) -> None:
        style_of(style)  # a wrong one is told here, not by the child's death
        self._styles = style_texts(style)
        self._options: dict[str, object] = {
            "--seed": seed,
            "--token-life": token_life,
            "--speed": speed,
            "--port": port,
            "--products": catalogue,
            "--stock": stock,
        }
        if sellers is not None:
            self._options["--sellers"] = ",".join(sellers)
        if limit is not None:
            self._options["--limit"] = f"{limit[0]}/{limit[1]}"
        if state_file is not None:
            self._options["--state"] = fspath(state_file)
        if contract is not None:
            self._options["--contract"] = fspath(contract)
        if retry_after is not None:
            self._options["--retry-after"] = retry_after
        self._start_timeout = start_timeout
        self._child: asyncio.subprocess.Process | None = None
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._drain: asyncio.Task[None] | None = None
        self._greeting: _Greeting | None = None
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start the child and wait for its addresses; raises :class:`SandboxStartError` if they do not come in time."""
        if self._child is not None:
            raise RuntimeError("the sandbox process is already started")
        options = [*self._options.items(), *(("--style", text) for text in self._styles)]
        arguments = [text for name, value in options for text in (name, str(value))]
        pipe = asyncio.subprocess.PIPE
        self._child = child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "octoffm_async.sandbox",
            "--exit-with-parent",
            *arguments,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,  # a terminal's Ctrl-C is for the parent: its calls in flight still want answers
        )  # fmt: skip  (the command reads best on one line)
        self._drain = asyncio.create_task(self._keep_stderr(child))
        self._greeting = await self._await_greeting(child)
        self.client_id = self._greeting.client_id
        self.client_secret = self._greeting.client_secret
        self._http = aiohttp.ClientSession()

    async def stop(self) -> None:
        """End the child and reap it: ask, wait, then kill."""
        http, self._http = self._http, None
        child, self._child = self._child, None
        try:
            if http is not None:
                await http.close()
        finally:
            if child is not None:
                await self._reap(child)

    @property
    def base_url(self) -> str:
        """URL that stands for ``https://api.octopia-io.net/seller/v2``."""
        return self._addresses.base_url

    @property
    def token_url(self) -> str:
        """URL of the token endpoint."""
        return self._addresses.token_url

    @property
    def control_url(self) -> str:
        """URL of the control routes."""
        return self._addresses.control_url

    @property
    def page_url(self) -> str:
        """URL of the live page, for a browser on this machine."""
        return self.control_url.removesuffix(CONTROL_PATH.removeprefix("/"))

    @property
    def seller_id(self) -> str:
        """The first seller."""
        return self._addresses.seller_id

    @property
    def pid(self) -> int:
        """Process id of the child."""
        if self._child is None:
            raise RuntimeError("the sandbox process is not started")
        return self._child.pid

    async def add_stock(
        self, reference: str | None = None, *, quantity: int, country: str = "FR", seller: str | None = None
    ) -> None:
        """Put ``quantity`` available items behind one registered product, or behind each (``None``)."""
        order = {"reference": reference, "quantity": quantity, "country": country, "seller": seller}
        await self._order("POST", "/stock", order)

    async def receive_supplies(self, seller: str | None = None) -> dict[str, int]:
        """As ``Sandbox.receive_supplies``."""
        return await self._order("POST", "/receive", {"seller": seller})

    async def return_by_carrier(self, outbound_shipment_id: str, seller: str | None = None) -> str:
        """Let the carrier bring back what is left of a shipped parcel; return the return's id."""
        order = {"outbound_shipment_id": outbound_shipment_id, "seller": seller}
        return str((await self._order("POST", "/returns", order))["return_id"])

    async def activate(self, country: str, seller: str | None = None) -> None:
        """Let a seller (the first, unless named) supply a storage country: FR, ES or UK."""
        await self._order("POST", "/countries", {"country": country, "seller": seller})

    async def deactivate(self, country: str, seller: str | None = None) -> None:
        """Refuse a seller's supply orders for a storage country from now on."""
        await self._order("POST", "/countries", {"country": country, "seller": seller, "active": False})

    async def advance(self, seconds: float) -> None:
        """Let the sandbox's clock jump ahead."""
        await self._order("POST", "/clock", {"advance": seconds})

    async def set_limit(self, limit: Limit | None, *, retry_after: RetryAfter | UnsetType | None = UNSET) -> None:
        """Set ``Sandbox.limit`` (requests, seconds) from now on, and ``Sandbox.retry_after`` if it is given."""
        await self._order("POST", "/limit", LimitOrder(limit=limit, retry_after=retry_after))

    async def save(self) -> None:
        """Save all that exists to the state file now, and not only at the end."""
        await self._order("POST", "/save")

    async def effects(self) -> dict[str, dict[str, int]]:
        """What was really created: counts by kind (``products``, ``outbound``) and reference, over all sellers."""
        return msgspec.convert(await self._order("GET", "/effects"), dict[str, dict[str, int]])

    async def stats(self) -> dict[str, Any]:
        """Counters: ``total``, ``by_status``, ``by_operation``, ``throttled`` (429s), ``tokens_issued``."""
        return await self._order("GET", "/stats")

    async def set_fault_rates(
        self, rates: Mapping[Fault, Rate], *, only: Only | None = None, operations: list[str] | None = None
    ) -> None:
        """As ``Sandbox.faults.set_rates``."""
        named = {fault.name: rate for fault, rate in rates.items()}
        await self._order("POST", "/faults", {"rates": named, "only": only, "operations": operations})

    async def next_fault(
        self, fault: Fault, *, operation: str | None = None, times: int = 1, value: float | None = None
    ) -> None:
        """As ``Sandbox.faults.next``."""
        script = {"fault": fault.name, "operation": operation, "times": times, "value": value}
        await self._order("POST", "/faults", {"next": script})

    async def clear_faults(self) -> None:
        """As ``Sandbox.faults.clear``."""
        await self._order("POST", "/faults", {"clear": True})

    @property
    def _addresses(self) -> _Greeting:
        if self._greeting is None:
            raise RuntimeError("the sandbox process has no address before it is started")
        return self._greeting

    async def _order(self, method: str, route: str, order: object = None) -> dict[str, Any]:
        if self._http is None:
            raise RuntimeError("the sandbox process is not started")
        data = None if order is None else msgspec.json.encode(order)
        headers = {"Content-Type": "application/json"}
        async with self._http.request(method, self.control_url + route, data=data, headers=headers) as response:
            answer = msgspec.json.decode(await response.read(), type=dict[str, Any])
        if response.status != 200:
            raise ValueError(answer["error"])
        return answer

    async def _keep_stderr(self, child: asyncio.subprocess.Process) -> None:
        """Read all of it, or a talkative child would block; keep the end for error messages."""
        assert child.stderr is not None  # noqa: S101  (it was asked for above)
        async for line in child.stderr:
            self._stderr.append(line.decode(errors="replace").rstrip())

    async def _await_greeting(self, child: asyncio.subprocess.Process) -> _Greeting:
        assert child.stdout is not None  # noqa: S101  (it was asked for above)
        line = b""
        try:
            async with asyncio.timeout(self._start_timeout):
                line = await child.stdout.readline()
            return msgspec.json.decode(line, type=_Greeting)
        except (TimeoutError, msgspec.DecodeError) as error:
            await self.stop()
            what = "ended" if isinstance(error, msgspec.DecodeError) else f"said nothing for {self._start_timeout} s"
            raise SandboxStartError("\n".join([f"the sandbox process {what}", *self._stderr])) from error

    async def _reap(self, child: asyncio.subprocess.Process) -> None:
        if child.stdin is not None:
            child.stdin.close()
        with suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(_TERMINATION):
                await child.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        if self._drain is not None:
            await self._drain
