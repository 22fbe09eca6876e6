"""A token store on a server: :class:`~octoffm_async.TokenStore` on top of key-value pairs that expire.

A back-end implements three operations, each atomic and by the server's clock: read a value, write one, and replace one
by another (compare and swap). Tokens, renewal locks and the use of the quota are values; a renewal lock that its holder
does not release ends when its value expires.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ...auth.entries import TokenEntry, decode_entry, encode_entry
from ...auth.store import LONGEST_LIFE, QuotaBucket, TokenRecord
from ...config import TOKEN_LIMIT
from ...stores.encryption import DecryptionError, Encryptor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ...auth.store import SharedRefusal, SharedToken, TokenAccount
    from ...config import Secret

logger: logging.Logger = logging.getLogger("octoffm_async")


class StoredValue(NamedTuple):
    """The value of a key, or ``None``, and the server's time of the read in seconds since 1970."""

    value: bytes | None
    at: float


class _Use(msgspec.Struct, frozen=True, array_like=True):
    """The stored use of the quota. ``nonce`` makes each written value unique."""

    used: QuotaBucket
    nonce: str


class KeyValueTokenStore(ABC):
    """A token store on a server that encrypts tokens with ``key``, if given (see :mod:`...stores.encryption`).

    It never stores a client's secret. All times are the server's: each read measures the offset of the server's clock
    from this process, exact to half of the round trip, so processes whose clocks differ still agree.
    """

    def __init__(self, *, key: Secret | str | None = None) -> None:
        self._encryptor = Encryptor(key)
        self._ahead = time.time() - time.monotonic()
        self._ignored: bytes | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _read(self, name: str) -> StoredValue:
        """Return the value of a key, unless it expired."""

    @abstractmethod
    async def _write(self, name: str, value: bytes, *, keep: float) -> None:
        """Replace the value of a key; the new one expires after ``keep`` seconds."""

    @abstractmethod
    async def _swap(self, name: str, old: bytes | None, new: bytes | None, *, keep: float = 0.0) -> bool:
        """Replace ``old`` by ``new`` and return True if ``old`` was the value; ``None`` is no value."""

    def now(self) -> float:
        """Return the server's time, by the last measured offset."""
        return time.monotonic() + self._ahead

    async def load(self, account: TokenAccount) -> TokenRecord:
        """Return the stored token and refusal of an account."""
        name = self._name("account", account.key)
        value = (await self._reading(name)).value
        entry = TokenEntry() if value is None else self._opened(value, name)
        return TokenRecord(entry.token, entry.refusal)

    async def acquire_renewal_lock(self, account: TokenAccount, *, lease: float) -> object | None:
        """Acquire the lock for renewing the account's token; return ``None`` if another process holds it."""
        lock = secrets.token_hex(16).encode()
        taking = asyncio.ensure_future(self._swap(self._name("turn", account.key), None, lock, keep=lease))
        try:
            return lock if await asyncio.shield(taking) else None
        except asyncio.CancelledError:
            self._meanwhile(self._give_back(taking, account, lock))  # else the lock would stay until it expires
            raise

    async def release_renewal_lock(self, account: TokenAccount, lock: object) -> None:
        """Release the lock, so that other processes may renew."""
        if isinstance(lock, bytes):
            await self._swap(self._name("turn", account.key), lock, None)

    async def save(self, account: TokenAccount, token: SharedToken) -> None:
        """Store a new token."""
        await self._keep(account, TokenEntry(token=token))

    async def refuse(self, account: TokenAccount, refusal: SharedRefusal) -> None:
        """Store a refusal of the credentials."""
        await self._keep(account, TokenEntry(refusal=refusal))

    async def drop(self, account: TokenAccount, refused: Secret) -> None:
        """Delete the token if it is ``refused``."""
        await self._forget(account, lambda entry: entry.token is not None and entry.token.secret == refused)

    async def clear_refusal(self, account: TokenAccount) -> None:
        """Delete a refusal."""
        await self._forget(account, lambda entry: entry.refusal is not None)

    async def admit(self, account: TokenAccount) -> float:
        """Count one token call and return 0, or return the seconds to wait."""
        name = f"octoffm:calls:{account.client}"  # the value holds no secret; all encryption keys share it
        while True:
            value, at = await self._reading(name)
            used, wait = _used(value).take(at)
            new = msgspec.json.encode(_Use(used, secrets.token_hex(8)))
            if await self._swap(name, value, new, keep=2 * TOKEN_LIMIT.per):
                return wait

    async def close(self) -> None:
        """Wait until the locks of cancelled callers are released."""
        while self._ending:
            await asyncio.wait(self._ending)

    async def _keep(self, account: TokenAccount, entry: TokenEntry) -> None:
        name = self._name("account", account.key)
        await self._write(name, self._encryptor.encrypt(encode_entry(entry), name), keep=LONGEST_LIFE)

    async def _forget(self, account: TokenAccount, unwanted: Callable[[TokenEntry], bool]) -> None:
        name = self._name("account", account.key)
        while (value := (await self._reading(name)).value) is not None and unwanted(self._opened(value, name)):
            if await self._swap(name, value, None):
                return

    async def _reading(self, name: str) -> StoredValue:
        asked = time.monotonic()
        reading = await self._read(name)
        self._ahead = reading.at - (asked + time.monotonic()) / 2  # the server read its clock in the middle, on average
        return reading

    def _opened(self, value: bytes, name: str) -> TokenEntry:
        try:
            return decode_entry(self._encryptor.decrypt(value, name))
        except (DecryptionError, ValueError, RecursionError):
            if self._ignored != value:
                self._ignored = value
                logger.warning("%r: a stored token is damaged: it is ignored, and replaced at the next renewal", self)
            return TokenEntry()

    def _name(self, kind: str, key: str) -> str:
        return f"octoffm:{kind}:{key}" + (f":{self._encryptor.key_id}" if self._encryptor.encrypts else "")

    async def _give_back(self, taking: asyncio.Future[bool], account: TokenAccount, lock: bytes) -> None:
        try:
            if await taking:
                await self.release_renewal_lock(account, lock)
        except Exception:  # noqa: BLE001
            logger.debug("%r: a renewal lock could not be released: it expires by itself", self)

    def _meanwhile(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


def _used(value: bytes | None) -> QuotaBucket:
    if value is None:
        return QuotaBucket()
    try:
        return msgspec.json.decode(value, type=_Use).used
    except msgspec.DecodeError:
        return QuotaBucket()
