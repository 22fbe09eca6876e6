"""The token store in Redis, for fleets that run a Redis server already (extra ``redis``)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import ConstantBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import RedisError
    from redis.exceptions import TimeoutError as RedisTimeoutError
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "octoffm_async.cluster.RedisTokens needs redis: pip install 'octoffm-async[redis]'", name=missing.name
    ) from missing

from ...config import Secret
from ...errors import ConfigurationError, StoreError
from .keyvalue_tokens import KeyValueTokenStore, StoredValue

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["RedisTokens"]

ANSWER_WITHIN = 2.0
"""Seconds for each of two attempts: a client waits 5 s for a token store."""
_READ: Final = """
local time = redis.call('TIME')
return {redis.call('GET', KEYS[1]), time[1], time[2]}
"""
# redis-py repeats a swap whose answer was lost: finding the new value is a success then, for each new value is unique.
_SWAP: Final = """
local held, old, new = redis.call('GET', KEYS[1]) or '', ARGV[1], ARGV[2]
if held == new and new ~= '' then return 1 end
if held ~= old then return 0 end
if new == '' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], new, 'PX', ARGV[3])
end
return 1
"""


class _Commands(Protocol):
    """Protocol of a Redis client with a typed ``execute_command``, which redis-py leaves untyped."""

    async def execute_command(self, *command: bytes | str | int) -> Any: ...


class RedisTokens(KeyValueTokenStore):
    """A token store in the Redis server at ``address`` (``redis://`` or ``rediss://``).

    All processes that name the server share the tokens. With ``key``, or ``OCTOFFM_CLUSTER_KEY``, the store encrypts
    them. It connects on first use. Close it, or exit its ``async with``, after the clients that use it. Its keys begin
    with ``octoffm:`` and expire by themselves; each command and script touches one key. A key that Redis loses in a
    restart or by eviction costs a token call at most, or forgets the use of the quota.

    Raises:
        ConfigurationError: the address or the key is invalid.
    """

    def __init__(self, address: Secret | str, *, key: Secret | str | None = None) -> None:
        super().__init__(key=key)
        self._address = Secret(address)
        self._connected: tuple[asyncio.AbstractEventLoop, Redis] | None = None
        self._shown = _shown(self._new())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await super().close()
        connected, self._connected = self._connected, None
        if connected is not None:
            await connected[1].aclose()

    async def _read(self, name: str) -> StoredValue:
        value, seconds, microseconds = await self._do("EVAL", _READ, 1, name)
        return StoredValue(value, int(seconds) + int(microseconds) / 1e6)

    async def _write(self, name: str, value: bytes, *, keep: float) -> None:
        await self._do("SET", name, value, "PX", _milliseconds(keep))

    async def _swap(self, name: str, old: bytes | None, new: bytes | None, *, keep: float = 0.0) -> bool:
        return bool(await self._do("EVAL", _SWAP, 1, name, old or b"", new or b"", _milliseconds(keep)))

    async def _do(self, *command: bytes | str | int) -> Any:
        try:
            return await cast("_Commands", self._redis).execute_command(*command)
        except RedisError as error:
            away = isinstance(error, RedisConnectionError | RedisTimeoutError)
            raise StoreError(f"{self._shown}: {type(error).__name__}", away=away) from None

    @property
    def _redis(self) -> Redis:
        loop = asyncio.get_running_loop()
        if self._connected is None or self._connected[0] is not loop:
            self._connected = loop, self._new()
        return self._connected[1]

    def _new(self) -> Redis:
        try:
            return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                self._address.reveal(),
                decode_responses=False,
                socket_timeout=ANSWER_WITHIN,
                socket_connect_timeout=ANSWER_WITHIN,
                retry=Retry(ConstantBackoff(0.05), 1),
            )
        except ValueError:
            raise ConfigurationError("the address of Redis is not like redis://host:6379/0") from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._shown}>"


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _shown(redis: Redis) -> str:
    """Return the server's address without user and password."""
    known: dict[str, Any] = redis.connection_pool.connection_kwargs
    where = known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"
    return f"{where}/{known.get('db', 0)}"
