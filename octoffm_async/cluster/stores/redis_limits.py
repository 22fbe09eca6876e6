"""Limits that processes share through Redis (or Valkey): one key for each limit, changed by one script.

The script is :func:`~octoffm_async.ratelimit.advance` in Lua, by the server's clock. It touches one key,
so it runs on the shards of a Redis cluster as well. The server may lose its data in a restart:
:class:`~octoffm_async.LimitStore` allows that.
"""

from __future__ import annotations

import asyncio
from hashlib import sha1
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import msgspec

from ...config import Secret
from ...errors import ClosedError, ConfigurationError
from ...ratelimit.shared import gcra as slots
from ...ratelimit.shared.gcra import LeaseReply
from ...ratelimit.shared.store import PROCESSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio import Redis

    from ...ratelimit.shared.gcra import LeaseRequest

SCRIPT = f"""
local interval, tolerance, settle, share, want, within, epoch, used, back_from, back_to, pause, refused, accepted,
  alone, now = unpack(cmsgpack.unpack(ARGV[1]))
local given = now > 0
if not given then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1e6 + tonumber(time[2])
end

local free_at, current, resumed, mark, asked_at, slow_until, paused_until, blocked_at, refused_at, refused_rate
local plateau, total, early, longest, throttlings, marked, flow, kept_until
local packed = redis.call('GET', KEYS[1])
if packed then
  free_at, current, resumed, mark, asked_at, slow_until, paused_until, blocked_at, refused_at, refused_rate, plateau,
    total, early, longest, throttlings, marked, flow, kept_until = unpack(cmsgpack.unpack(packed))
end
if not packed or kept_until <= now then
  free_at, current, resumed, mark, slow_until = now, now, now, now, 0
  paused_until, blocked_at, refused_at, refused_rate, plateau, total, early = 0, 0, 0, 0, 0, 0, 0
  longest, throttlings, marked, flow = 0, 0, 0, 0
  if alone or epoch > 0 then slow_until = now + settle end
elseif alone and now - asked_at > {slots.QUIET} then
  slow_until = now + settle
end
asked_at = now

local function scale()
  return math.max({slots.SCALE}, math.min({slots.SCALE_CALLS} / plateau, {slots.SCALE_MOST}), longest / 2)
end
local function pace()
  if plateau == 0 then return 0 end
  local x, growth = (now - resumed) / 1e6 / scale() - 1, 0
  if x <= 1 then
    growth = 1 + {slots.CUT} * x ^ 3
  else
    growth = (1 + {slots.CUT}) * 2 ^ math.min(60, {slots.GROWTH} * (x - 1) ^ 2)
  end
  return math.ceil(1e6 / math.min(plateau * growth, {slots.RATE_MOST}))
end

if now - mark >= {slots.MARK_EVERY} then
  flow = marked * 1e6 / (now - mark)
  mark, marked = now, 0
end
total = total + used
marked = marked + used

if epoch == current then
  if back_to > 0 and back_to == free_at then free_at = back_from end
  if refused then
    local step = math.max(interval, pace())
    if blocked_at == 0 then
      local sent = math.max(flow, (marked + 1) * 1e6 / math.max(now - mark, 1e5))
      refused_rate = 0
      if step > 0 then refused_rate = math.min(1e6 / step, {slots.UNUSED} * sent) end
      blocked_at = now
      if total >= {slots.STEADY} then
        throttlings = 0
      elseif total >= {slots.FLOWING} then
        throttlings = math.min(throttlings, {slots.THROTTLINGS_KEPT})
      end
    end
    refused_at = now
    throttlings = throttlings + 1
    current = current + 1
    free_at = math.min(free_at, now + {slots.FRESH} + tolerance + step)
  elseif accepted and blocked_at > 0 then
    local block, since = (refused_at - blocked_at) / 1e6, (now - resumed) / 1e6
    local average, lasted, found = total / math.max(since, 0.001), (blocked_at - resumed) / 1e6, 0
    local soon = plateau > 0 and total < {slots.SCALE_CALLS} and lasted < {slots.EARLY} * scale()
    local short = plateau > 0 and lasted < 1
    longest = math.max(longest * {slots.BLOCK_MEMORY} ^ since, block)
    if refused_rate == 0 then
      found = average
    elseif longest >= {slots.LONG_BLOCK} then
      found = math.min(refused_rate, math.max(average * {slots.TRUST}, plateau * {slots.FALL}))
    elseif soon or short then
      early = early + 1
      found = refused_rate * (1 - math.min(0.5, {slots.CUT} * 2 ^ early))
    else
      early = 0
      found = refused_rate
    end
    plateau = math.min(math.max(found, {slots.RATE_LEAST}), {slots.RATE_MOST})
    resumed, total, blocked_at = now, 0, 0
    current = current + 1
    local behind = math.min(free_at, refused_at + {slots.FRESH} + interval)
    free_at = math.max(now, behind, free_at - math.max({slots.PROBE} - math.max(interval, pace()), 0))
  end
end
if pause > 0 then paused_until = math.max(paused_until, now + pause) end

local learned, blocked, slow = pace(), blocked_at > 0, now < slow_until
local step = math.max(interval, learned)
if slow then step = math.max(step, interval * share) end
if blocked then step, within, want = math.max(step, {slots.PROBE}), {slots.FRESH}, math.min(want, 1) end
if learned > 0 or blocked or slow then tolerance = 0 end
local left = math.max(paused_until - now, 0)
local base = math.max(now + left, free_at)
local start, granted, again, free = base - tolerance - now, 0, 0, 0
if step > 0 and want > 0 then
  granted = math.min(want, math.max(0, math.floor((within - math.max(start, left)) / step) + 1))
  if granted > 0 then
    free_at = base + granted * step
  else
    again = math.max(start, left)
    if not blocked then again = again - within end
  end
end
if step == 0 and left == 0 then free = {slots.FRESH} end

local kept = {slots.KEPT}
if plateau > 0 or blocked then kept = {slots.KEPT_LEARNED} end
kept_until = math.max(free_at, paused_until) + kept
redis.call('SET', KEYS[1], cmsgpack.pack({{free_at, current, resumed, mark, asked_at, slow_until, paused_until,
  blocked_at, refused_at, refused_rate, plateau, total, early, longest, throttlings, marked, flow, kept_until}}),
  'PX', math.max(given and 600000 or 0, math.ceil((kept_until - now) / 1000)))
return cmsgpack.pack({{current, granted, start, step, left, base, again, left, blocked, learned, throttlings, free,
  now}})
"""
_ANSWER = msgspec.msgpack.Decoder(LeaseReply)
DIGEST = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisLimits:
    """A limit store in a Redis server: ``redis://user:password@host:port/database``, or ``rediss://`` with TLS.

    ``processes`` is the maximum number of processes that share a limit: while the server is unreachable, each process
    continues with that fraction of it. Keys begin with ``prefix``. Several clients of one event loop may share one
    object. Needs the extra ``redis``.

    Raises:
        ConfigurationError: the address is not one of a Redis server, or the extra is not installed.
    """

    def __init__(
        self,
        address: str | Secret,
        *,
        processes: int = PROCESSES,
        prefix: str = "octoffm:limit:",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.processes = processes
        self._address = Secret(address)
        self._prefix = prefix
        self._clock = clock
        self._users = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._redis = self._connection()

    def open(self) -> None:
        """Register one more client, on the running event loop.

        Raises:
            ClosedError: the store is open on another event loop.
        """
        loop = asyncio.get_running_loop()
        if not self._users:
            self._loop, self._redis = loop, self._connection()
        elif self._loop is not loop:
            raise ClosedError(f"{self!r} is open on another event loop")
        self._users += 1

    async def close(self) -> None:
        """Unregister a client; the last one closes the connections."""
        self._users -= 1
        if not self._users:
            await self._redis.aclose()

    async def exchange(self, requests: Sequence[LeaseRequest]) -> Sequence[LeaseReply]:
        """Exchange requests for leases; see :class:`~octoffm_async.LimitStore`."""
        from redis.exceptions import NoScriptError

        now = 0 if self._clock is None else int(self._clock() * slots.SECOND)
        commands = [
            (DIGEST, 1, self._prefix + request.key, msgspec.msgpack.encode((*request[1:], now))) for request in requests
        ]
        replies = await self._run("EVALSHA", commands)
        if unknown := [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]:
            again = await self._run("EVAL", [(SCRIPT, *commands[at][1:]) for at in unknown])
            for at, reply in zip(unknown, again, strict=True):
                replies[at] = reply
        return [_answer(reply) for reply in replies]

    async def _run(self, command: str, all_arguments: list[tuple[Any, ...]]) -> list[Any]:
        pipeline: Any = self._redis.pipeline(transaction=False)
        async with pipeline:
            for arguments in all_arguments:
                pipeline.execute_command(command, *arguments)
            return cast("list[Any]", await pipeline.execute(raise_on_error=False))

    def _connection(self) -> Redis:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise ConfigurationError("limits in Redis need an extra: pip install 'octoffm-async[redis]'") from None
        try:
            # No retry: a request that failed may have leased slots.
            make = cast("Any", Redis).from_url
            return cast("Redis", make(self._address.reveal(), retry=Retry(NoBackoff(), 0), decode_responses=False))
        except ValueError:
            raise ConfigurationError("not the address of a Redis server: redis://host:6379/0") from None

    def __repr__(self) -> str:
        parts = urlsplit(self._address.reveal())
        return f"<{type(self).__name__} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}>"


def _answer(packed: bytes | Exception) -> LeaseReply:
    if isinstance(packed, Exception):
        raise packed
    return _ANSWER.decode(packed)
