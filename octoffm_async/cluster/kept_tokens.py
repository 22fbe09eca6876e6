"""Tokens on a server: what :class:`~octoffm_async.TokenStore` promises, on top of values that have a name and an end.

A server needs to do three things, each atomic and by its own clock: read a value, write one, and swap one for another.
Tokens, turns and the use of the quota are values; a turn that nobody ends is over by itself at the value's end.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ..config import TOKEN_LIMIT
from ..session.token_entries import Entry, decode_entry, encode_entry
from ..session.token_stores import LONGEST_LIFE, Allowance, Holding
from .sealing import BrokenSealError, Sealer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..config import Secret
    from ..session.token_stores import Account, SharedRefusal, SharedToken

logger = logging.getLogger("octoffm_async")


class Reading(NamedTuple):
    """A value, if there is one, and the server's time, in seconds since 1970, at which it was read."""

    value: bytes | None
    at: float


class _Use(msgspec.Struct, frozen=True, array_like=True):
    """The use of the quota. ``nonce`` makes each one written unlike any other."""

    used: Allowance
    nonce: str


class KeptTokens(ABC):
    """Tokens on a server, sealed with ``key`` (see :mod:`.sealing`) if there is one. A client's secret is never kept.

    Times are the server's: each reading tells how far it is ahead of this process, right to half of what the reading
    took, so processes whose clocks differ still agree.
    """

    def __init__(self, *, key: Secret | str | None = None) -> None:
        self._sealer = Sealer(key)
        self._ahead = time.time() - time.monotonic()
        self._ignored: bytes | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _read(self, name: str) -> Reading:
        """The value, unless its end has come."""

    @abstractmethod
    async def _write(self, name: str, value: bytes, *, keep: float) -> None:
        """Put a value in place of any other, with an end in ``keep`` seconds."""

    @abstractmethod
    async def _swap(self, name: str, old: bytes | None, new: bytes | None, *, keep: float = 0.0) -> bool:
        """Put ``new`` in the place of ``old``; whether ``old`` was there. ``None`` is no value."""

    def now(self) -> float:
        """The server's time, as far as it is known here."""
        return time.monotonic() + self._ahead

    async def load(self, account: Account) -> Holding:
        """What is held of an account."""
        name = self._name("account", account.key)
        value = (await self._reading(name)).value
        entry = Entry() if value is None else self._opened(value, name)
        return Holding(entry.token, entry.refusal)

    async def take_turn(self, account: Account, *, lease: float) -> object | None:
        """The right to renew the account's token; ``None`` if another has it."""
        turn = secrets.token_hex(16).encode()
        taking = asyncio.ensure_future(self._swap(self._name("turn", account.key), None, turn, keep=lease))
        try:
            return turn if await asyncio.shield(taking) else None
        except asyncio.CancelledError:
            self._meanwhile(self._give_back(taking, account, turn))  # the server may give it to nobody who waits
            raise

    async def end_turn(self, account: Account, turn: object) -> None:
        """Let others renew."""
        if isinstance(turn, bytes):
            await self._swap(self._name("turn", account.key), turn, None)

    async def save(self, account: Account, token: SharedToken) -> None:
        """Keep a new token."""
        await self._keep(account, Entry(token=token))

    async def refuse(self, account: Account, refusal: SharedRefusal) -> None:
        """Keep a refusal of the credentials."""
        await self._keep(account, Entry(refusal=refusal))

    async def drop(self, account: Account, refused: Secret) -> None:
        """Forget the token if it is ``refused``."""
        await self._forget(account, lambda entry: entry.token is not None and entry.token.secret == refused)

    async def forgive(self, account: Account) -> None:
        """Forget a refusal."""
        await self._forget(account, lambda entry: entry.refusal is not None)

    async def admit(self, account: Account) -> float:
        """Count one token call and return 0, or return the seconds to wait."""
        name = f"octoffm:calls:{account.client}"  # it holds no secret, and is one for all keys
        while True:
            value, at = await self._reading(name)
            used, wait = _used(value).take(at)
            new = msgspec.json.encode(_Use(used, secrets.token_hex(8)))
            if await self._swap(name, value, new, keep=2 * TOKEN_LIMIT.per):
                return wait

    async def close(self) -> None:
        """Give back turns whose takers were cancelled."""
        while self._ending:
            await asyncio.wait(self._ending)

    async def _keep(self, account: Account, entry: Entry) -> None:
        name = self._name("account", account.key)
        await self._write(name, self._sealer.seal(encode_entry(entry), name), keep=LONGEST_LIFE)

    async def _forget(self, account: Account, unwanted: Callable[[Entry], bool]) -> None:
        name = self._name("account", account.key)
        while (value := (await self._reading(name)).value) is not None and unwanted(self._opened(value, name)):
            if await self._swap(name, value, None):
                return

    async def _reading(self, name: str) -> Reading:
        asked = time.monotonic()
        reading = await self._read(name)
        self._ahead = reading.at - (asked + time.monotonic()) / 2
        return reading

    def _opened(self, value: bytes, name: str) -> Entry:
        try:
            return decode_entry(self._sealer.open(value, name))
        except (BrokenSealError, ValueError, RecursionError):
            if self._ignored != value:
                self._ignored = value
                logger.warning("%r: a token is damaged: it is ignored, and replaced at the next renewal", self)
            return Entry()

    def _name(self, kind: str, key: str) -> str:
        return f"octoffm:{kind}:{key}" + (f":{self._sealer.mark}" if self._sealer.seals else "")

    async def _give_back(self, taking: asyncio.Future[bool], account: Account, turn: bytes) -> None:
        try:
            if await taking:
                await self.end_turn(account, turn)
        except Exception:  # noqa: BLE001
            logger.debug("%r: a turn could not be given back: it ends by itself", self)

    def _meanwhile(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _used(value: bytes | None) -> Allowance:
    if value is None:
        return Allowance()
    try:
        return msgspec.json.decode(value, type=_Use).used
    except msgspec.DecodeError:
        return Allowance()
