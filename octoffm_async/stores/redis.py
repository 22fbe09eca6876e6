"""StoredValues in a Redis (or Valkey) server, by the server's clock.

An update reads the values and the time in one round trip, and replaces the values in another by a script that does so
only if none changed in between; an update that lost against another begins again, after a random wait that grows. Keys
expire by themselves. The server may lose its data in a restart, which a store allows.

In a Redis Cluster the keys of an update must lie in one slot: give all of them one hash tag, ``prefix="{octoffm}:"``,
and the address of the node that has the slot, or of a proxy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import urlsplit

from ..config import Secret
from ..errors import ClosedError, ConfigurationError, StoreError
from .base import FORMAT, Backoff, check_format

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from types import TracebackType

    from .base import StoredValues, ValueChange

__all__ = ["RedisStore"]

REPLY_WITHIN = 2.0
"""Seconds to wait for the server to connect or to reply."""
_SWAP: Final = """
for i, held in ipairs(redis.call('MGET', unpack(KEYS))) do
  if (held and '=' .. held or '') ~= ARGV[2 * i] then return 0 end
end
for i, key in ipairs(KEYS) do
  local new = ARGV[2 * i + 1]
  if new == '' then redis.call('DEL', key)
  elseif new ~= '=' then redis.call('SET', key, string.sub(new, 3), 'PX', ARGV[1]) end
end
return 1
"""
"""ARGV: milliseconds to keep the values; for each key its old value (``=…``, or nothing) and the new one (``==…``;
``=``: as it is; nothing: none)."""


class RedisStore:
    """A store in the Redis server at ``address``: ``redis://user:password@host:port/database``, ``rediss://`` with TLS.

    Its keys begin with ``prefix``. Needs the extra ``redis``.

    Raises:
        ConfigurationError: the address is not one of a Redis server, or the extra is not installed. A use of the store
            raises it also if the server holds a store of another version.
    """

    def __init__(self, address: str | Secret, *, prefix: str = "octoffm:") -> None:
        self._address = Secret(address)
        self._prefix = prefix
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._redis, self._swap = self._client()

    async def __aenter__(self) -> Self:
        """Register one more user of the store, on the running event loop.

        Raises:
            ClosedError: the store is open on another event loop, or in the process that forked this one.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._users and self._loop is not None and not self._loop.is_closed():
                raise ClosedError(f"{self!r} is open on another event loop, or in another process")
            self._users, self._loop, self._running = 0, loop, set()
            self._redis, self._swap = self._client()
        self._users += 1
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unregister a user; the last one closes the connections."""
        self._users -= 1
        if not self._users:
            self._loop = None
            if self._running:
                await asyncio.wait(self._running)
            await self._redis.aclose()

    async def read(self, keys: Sequence[str]) -> tuple[StoredValues, int]:
        """Return the values, and the server's time in microseconds."""
        if self._loop is not asyncio.get_running_loop():
            raise ClosedError(f"{self!r} is not open on this event loop: async with store")
        version, is_first = self._prefix + "format", True
        while True:
            try:
                pipeline = self._redis.pipeline(transaction=False)
                pipeline.execute_command("MGET", version, *(self._prefix + key for key in keys))
                pipeline.execute_command("TIME")
                (found, *values), (seconds, microseconds) = await self._whole(pipeline.execute())
                if found is not None:
                    check_format(self, int(found) if found.isdigit() else 0)
                    return values, int(seconds) * 1_000_000 + int(microseconds)
                await self._whole(self._redis.execute_command("SET", version, FORMAT, "NX"))
            except _errors() as error:
                if type(error).__name__ != "ConnectionError" or not is_first:
                    raise self._store_error(error) from None
                is_first = False  # the server was restarted since the connection was used last, perhaps

    async def update(self, keys: Sequence[str], change: ValueChange, *, keep_seconds: float) -> None:
        """Replace the values atomically by ``change(values, time)``, which is run again if they changed meanwhile."""
        backoff = Backoff(self)
        while True:
            values, now = await self.read(keys)
            arguments: list[bytes | int] = [max(1, round(keep_seconds * 1000))]
            changed = change(list(values), now)
            if all(new is old for old, new in zip(values, changed, strict=True)):
                return
            for old, new in zip(values, changed, strict=True):
                arguments += [b"" if old is None else b"=" + old, b"" if new is None else b"==" + new]
                if new is old is not None:
                    arguments[-1] = b"="
            try:
                if await self._whole(self._swap(keys=[self._prefix + key for key in keys], args=arguments)):
                    return
            except _errors() as error:
                raise self._store_error(error) from None
            await backoff.wait()

    async def _whole(self, command: Coroutine[Any, Any, Any]) -> Any:
        """Return the reply to a command, in a task that goes on when its caller is cancelled.

        redis-py swallows a cancellation now and then, so the caller must not depend on it; and a connection whose reply
        was read can be used again.
        """
        task = asyncio.create_task(command)
        self._running.add(task)
        task.add_done_callback(self._on_done)
        return await asyncio.shield(task)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio logs what nobody asks for, and the caller may be gone

    def _client(self) -> tuple[Any, Any]:
        """Return a client of the server, and the script. It repeats nothing: a swap that failed may have been done."""
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ConfigurationError("a store in Redis needs an extra: pip install 'octoffm-async[redis]'") from None
        try:
            redis = cast("Any", Redis).from_url(
                self._address.reveal(),
                decode_responses=False,
                socket_timeout=REPLY_WITHIN,
                socket_connect_timeout=REPLY_WITHIN,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            raise ConfigurationError("not the address of a Redis server: redis://host:6379/0") from None
        return redis, redis.register_script(_SWAP)

    def _store_error(self, error: Exception) -> Exception:
        from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError  # noqa: A004

        text = type(error).__name__  # not its own text, which may show the password
        if text in ("MovedError", "AskError", "ClusterCrossSlotError") or "CROSSSLOT" in str(error):
            return ConfigurationError(
                f"{self!r} belongs to a Redis Cluster, where all keys must lie in one slot: use "
                'RedisStore(address of the node of that slot, prefix="{octoffm}:"), or a single server'
            )
        away = isinstance(error, ConnectionError | TimeoutError | BusyLoadingError | ReadOnlyError | OSError)
        return StoreError(f"{self!r}: {text}", away=away)

    def __repr__(self) -> str:
        parts = urlsplit(self._address.reveal())
        return f"<{type(self).__name__} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}>"


def _errors() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError

    return RedisError, OSError
