"""The sandbox in a thread of its own: for tests without an event loop, and for loops that must not carry a server."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from msgspec import UNSET, UnsetType

from .faults import Fault, Only, Rate
from .quota import Limit, RetryAfter
from .sandbox import Sandbox
from .world import AllEffects

if TYPE_CHECKING:
    from octoffm_async.config import Config

T = TypeVar("T")


class LoopThread:
    """An event loop that runs in a thread until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="octoffm-sandbox", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for its result here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """End the loop and the thread."""
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


class SandboxThread:
    """A sandbox whose server runs in another thread: ``with SandboxThread(seed=7) as sandbox``.

    What drives it is called, not awaited, and takes effect before the call returns, so it works in a plain test and on
    any event loop. ``settings`` are those of :class:`~octoffm_async.sandbox.Sandbox`. Several sandboxes may share one
    ``loop``, which then is not closed with any of them.
    """

    def __init__(self, *, loop: LoopThread | None = None, **settings: Any) -> None:
        self._sandbox = Sandbox(**settings)
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
        """Stop serving. What exists and what was counted stays readable."""
        self._close()

    @property
    def client_id(self) -> str:
        """The client id that it takes."""
        return self._sandbox.client_id

    @property
    def client_secret(self) -> str:
        """The secret that it takes."""
        return self._sandbox.client_secret

    @property
    def seller_id(self) -> str:
        """The first seller, for whom clients act unless told otherwise."""
        return self._sandbox.seller_id

    @property
    def base_url(self) -> str:
        """URL that stands for ``https://api.octopia-io.net/seller/v2``."""
        return self._sandbox.base_url

    @property
    def token_url(self) -> str:
        """URL of the token endpoint."""
        return self._sandbox.token_url

    @property
    def control_url(self) -> str:
        """URL of the control routes."""
        return self._sandbox.control_url

    @property
    def page_url(self) -> str:
        """URL of the live page, for a browser on this machine."""
        return self._sandbox.page_url

    @property
    def effects(self) -> AllEffects:
        """What was really created: ``effects.outbound["ORDER-1"]`` counts the shipments with that reference."""
        return self._sandbox.effects

    def config(self, **overrides: Any) -> "Config":
        """A client's configuration for this sandbox, without a limit; ``overrides`` are fields of ``Config``."""
        return self._sandbox.config(**overrides)

    def environment(self) -> dict[str, str]:
        """The same as environment variables, for a program that reads them."""
        return self._sandbox.environment()

    def add_stock(
        self, reference: str | None = None, *, quantity: int, country: str = "FR", seller: str | None = None
    ) -> None:
        """As ``Sandbox.add_stock``."""
        self.run(lambda sandbox: sandbox.add_stock(reference, quantity=quantity, country=country, seller=seller))

    def receive_supplies(self, seller: str | None = None) -> dict[str, int]:
        """As ``Sandbox.receive_supplies``."""
        return self.run(lambda sandbox: sandbox.receive_supplies(seller))

    def advance(self, seconds: float) -> None:
        """Let the sandbox's clock jump ahead."""
        self.run(lambda sandbox: sandbox.clock.advance(seconds))

    def set_limit(self, limit: Limit | None, *, retry_after: RetryAfter | UnsetType | None = UNSET) -> None:
        """As ``SandboxProcess.set_limit``."""

        def change(sandbox: Sandbox) -> None:
            sandbox.limit = limit
            if retry_after is not UNSET:
                sandbox.retry_after = retry_after

        self.run(change)

    def stats(self) -> dict[str, Any]:
        """The counters of requests and tokens."""
        return self.run(lambda sandbox: sandbox.stats())

    def next_fault(
        self, fault: Fault, *, operation: str | None = None, times: int = 1, value: float | None = None
    ) -> None:
        """As ``Sandbox.faults.next``."""
        self.run(lambda sandbox: sandbox.faults.next(fault, operation=operation, times=times, value=value))

    def set_fault_rates(
        self, rates: Mapping[Fault, Rate], *, only: Only | None = None, operations: list[str] | None = None
    ) -> None:
        """As ``Sandbox.faults.set_rates``."""
        self.run(lambda sandbox: sandbox.faults.set_rates(rates, only=only, operations=operations))

    def clear_faults(self) -> None:
        """No faults any more, scripted or random."""
        self.run(lambda sandbox: sandbox.faults.clear())

    def run(self, work: Callable[[Sandbox], T]) -> T:
        """Call ``work`` with the :class:`Sandbox` in its own thread, where nothing else changes it meanwhile."""
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
