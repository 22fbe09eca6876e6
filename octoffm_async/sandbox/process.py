"""The sandbox in its own process, for benchmarks and for clients that must not share an event loop with it."""

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from os import PathLike, fspath
from typing import Any, TypeVar, Unpack

import aiohttp
import msgspec

from octoffm_async.affinity import Affinity

from .base import Addresses, BaseSandbox
from .control.methods import AwaitedMethods, ControlCommand
from .control.verbs import VERB_OF_BODY
from .http.rate_limit import Limit, RetryAfter
from .settings import StyleOptions, style_of
from .spelling.styles import style_texts

_STDERR_LINES = 20
_TERMINATION = 5.0  # seconds for the child to end after SIGTERM

ResultT = TypeVar("ResultT")


class SandboxStartError(RuntimeError):
    """A failed start of the child process; the message ends with the last lines of its standard error."""


class _Greeting(Addresses, frozen=True):
    client_id: str
    client_secret: str
    seller_id: str


class SandboxProcess(BaseSandbox, AwaitedMethods):
    """A sandbox in a child process that ends with this one, even if this one is killed.

    It has the addresses and control methods of :class:`~octoffm_async.sandbox.Sandbox` and takes the same ``style``.
    Its control methods are awaited, because they send HTTP requests. They raise ``ValueError`` for every command that
    the sandbox refuses.
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
        style_of(style)  # an invalid style fails here, not in the child
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
            self._options["--rate"] = f"{limit[0]}/{limit[1]}"
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
        self._affinity = Affinity("the sandbox")

    async def start(self) -> None:
        """Start the child and wait for its addresses.

        Raises:
            SandboxStartError: the child ends, or prints no address within ``start_timeout`` seconds.
        """
        if self._child is not None:
            raise RuntimeError("the sandbox process is already started")
        self._affinity.bind()
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
            start_new_session=True,  # Ctrl-C stops the parent only: its requests in flight need responses
        )  # fmt: skip  (the command reads best on one line)
        self._drain = asyncio.create_task(self._keep_stderr(child))
        self._greeting = await self._await_greeting(child)
        self.client_id: str = self._greeting.client_id
        self.client_secret: str = self._greeting.client_secret
        self._http = aiohttp.ClientSession()

    async def stop(self) -> None:
        """Terminate the child and wait for its end; kill it after 5 s.

        Raises:
            ClosedError: it was started on another event loop, or in the process that forked this one.
        """
        self._affinity.check_home()
        http, self._http = self._http, None
        child, self._child = self._child, None
        try:
            if http is not None:
                await http.close()
        finally:
            if child is not None:
                await self._reap(child)
            self._affinity.release()

    @property
    def seller_id(self) -> str:
        """The first seller, the default of clients."""
        return self._addresses.seller_id

    @property
    def pid(self) -> int:
        """Process id of the child."""
        if self._child is None:
            raise RuntimeError("the sandbox process is not started")
        return self._child.pid

    async def save(self) -> None:
        """Write the state file now, and not only at the end. Raises ``ValueError`` if there is none."""
        await self._order("POST", "/save")

    async def effects(self) -> dict[str, dict[str, int]]:
        """Return the counters of created rows by kind (``products``, ``outbound``) and reference, over all sellers."""
        return msgspec.convert(await self._order("GET", "/effects"), dict[str, dict[str, int]])

    async def stats(self) -> dict[str, Any]:
        """Return the counters ``total``, ``by_status``, ``by_operation``, ``throttled`` (429s), ``tokens_issued``."""
        return await self._order("GET", "/stats")

    @property
    def _addresses(self) -> _Greeting:
        """The first line of the child's output."""
        if self._greeting is None:
            raise RuntimeError("the sandbox process has no address before it is started")
        return self._greeting

    async def execute(self, command: ControlCommand[ResultT]) -> ResultT:
        """Send the command of a control method and return its result."""
        verb = VERB_OF_BODY[type(command.body)]
        return command.read(await self._order(verb.method, verb.path, command.body))

    async def _order(self, method: str, route: str, order: object = None) -> dict[str, Any]:
        if self._http is None:
            raise RuntimeError("the sandbox process is not started")
        self._affinity.check()
        data = None if order is None else msgspec.json.encode(order)
        headers = {"Content-Type": "application/json"}
        async with self._http.request(method, self.control_url + route, data=data, headers=headers) as response:
            answer = msgspec.json.decode(await response.read(), type=dict[str, Any])
        if response.status != 200:
            raise ValueError(answer["error"])
        return answer

    async def _keep_stderr(self, child: asyncio.subprocess.Process) -> None:
        """Read all of standard error, or the child could block; keep its last lines for error messages."""
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
            what = "ended" if isinstance(error, msgspec.DecodeError) else f"printed nothing for {self._start_timeout} s"
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
