"""The sandbox in its own thread: for tests without an event loop, and for loops that must not run a server."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from octoffm_async.errors import ClosedError

from .base import Addresses, ClientSettings
from .control.methods import CalledMethods, ControlCommand
from .sandbox import Sandbox
from .world.world import AllEffects

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="octoffm-sandbox", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread; block the caller until its result is there.

        Raises:
            ClosedError: the thread ended, or runs in the process that forked this one.
        """
        if not self._thread.is_alive():
            work.close()
            raise ClosedError("the thread of the sandbox does not run in this process: start another sandbox here")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Stop the loop and wait for the end of the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


class SandboxThread(ClientSettings, CalledMethods):
    """A sandbox whose server runs in another thread: ``with SandboxThread(seed=7) as sandbox``.

    Its control methods are not awaited and take effect before they return, so that they work in a test without an event
    loop and on any event loop. ``settings`` are those of :class:`~octoffm_async.sandbox.Sandbox`. Several sandboxes may
    share one ``loop``; the caller then closes it.
    """

    def __init__(self, *, loop: LoopThread | None = None, **settings: Any) -> None:
        self._sandbox = Sandbox(**settings)
        self.client_id: str = self._sandbox.client_id
        self.client_secret: str = self._sandbox.client_secret
        self._loop = loop
        self._owned: LoopThread | None = None

    def __enter__(self) -> Self:
        """Start serving."""
        if self._loop is None:
            self._loop = self._owned = LoopThread()
        try:
            self._loop.run(self._sandbox.start())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving. All rows and counters stay readable."""
        try:
            self._close()
        except ClosedError:  # of a fork within the block: an exit of the child must remain an exit
            if error is None:
                raise

    @property
    def seller_id(self) -> str:
        """The first seller, the default of clients."""
        return self._sandbox.seller_id

    @property
    def _addresses(self) -> Addresses:
        """The addresses of the sandbox in the thread."""
        inner = self._sandbox
        return Addresses(inner.base_url, inner.token_url, inner.control_url)

    @property
    def effects(self) -> AllEffects:
        """Counters of created rows: ``effects.outbound["ORDER-1"]`` is the number of shipments with that reference."""
        return self._sandbox.effects

    def stats(self) -> dict[str, Any]:
        """Return the counters of requests and tokens."""
        return self.run(lambda sandbox: sandbox.stats())

    def execute(self, command: ControlCommand[T]) -> T:
        """Execute the command of a control method in the thread and return its result."""
        return self.run(lambda sandbox: sandbox.execute(command))

    def run(self, work: Callable[[Sandbox], T]) -> T:
        """Call ``work`` with the :class:`Sandbox` in its thread, where no request can change it meanwhile."""
        if self._loop is None:
            raise RuntimeError("the sandbox is not started")

        async def call() -> T:
            return work(self._sandbox)

        return self._loop.run(call())

    def _close(self) -> None:
        owned, self._owned = self._owned, None
        try:
            if self._loop is not None:
                self._loop.run(self._sandbox.stop())
        finally:
            if owned is not None:
                self._loop = None
                owned.close()
