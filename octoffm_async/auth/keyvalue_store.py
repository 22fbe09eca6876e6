"""Tokens in any store of keys and values (:mod:`..stores`): memory, a file, PostgreSQL or Redis.

The token or refusal of an account, the lock on its renewal, and the use of a client's quota are values. All changes are
pure functions that the store applies atomically, by its own clock. A lock has a short lease, which its holder extends
while it renews: one that was killed stops nobody for long.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ..settings.values import TOKEN_LIMIT, Secret
from ..stores.base import MemoryStore
from ..stores.encryption import DecryptionError, Encryptor
from .store import LONGEST_LIFE, QuotaBucket, SharedRefusal, SharedToken, TokenRecord

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from ..stores.base import KeyValueStore, StoredValues
    from .store import TokenAccount

logger: logging.Logger = logging.getLogger("octoffm_async")

LOCK_LEASE = 5.0
"""Seconds after which the renewal lock of a dead process ends; a living one extends its lease at a fifth of it."""
_BOUND_TO = "octoffm:"
"""The beginning of the names that encrypted values are bound to."""


class _Entry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The stored data of one account."""

    token: SharedToken | None = None
    refusal: SharedRefusal | None = None


def _encode_secret(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _decode_secret(kind: type, value: object) -> Secret:
    """Return a token: printable ASCII, as it is sent in a header. Errors do not show it."""
    if kind is not Secret or not isinstance(value, str) or not value or not all("!" <= sign <= "~" for sign in value):
        raise ValueError("not a token")
    return Secret(value)


_encoder = msgspec.json.Encoder(enc_hook=_encode_secret)
_decoder = msgspec.json.Decoder(_Entry, dec_hook=_decode_secret)


class _Use(msgspec.Struct, frozen=True, array_like=True):
    """The stored use of a quota; the second member is one of earlier releases."""

    used: QuotaBucket = QuotaBucket()
    nonce: str = ""


class KeyValueTokenStore:
    """A token store in ``store`` that encrypts tokens with ``key``, by default that of ``OCTOFFM_CLUSTER_KEY``, if any.

    It never stores a client's secret. It enters ``store`` on first use; close it, or exit its ``async with``, after the
    clients that use it. All times are the store's: each :meth:`load` measures the offset of its clock from this
    process's, exact to half of the round trip, so processes whose clocks differ agree.

    Raises:
        ConfigurationError: the key is no key.
    """

    def __init__(self, store: KeyValueStore, *, key: Secret | str | None = None) -> None:
        self._store = store
        self._encryptor = None if isinstance(store, MemoryStore) and key is None else Encryptor(key)
        self._ahead: float | None = None
        self._ignored: bytes | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._entries = 0
        self._releasing: set[asyncio.Task[None]] = set()
        self._extending: dict[object, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        """Enter the store."""
        await self._entered()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait until the locks of cancelled callers are released, and leave the store."""
        if self._loop is asyncio.get_running_loop():
            for task in self._extending.values():
                task.cancel()
            while running := {*self._releasing, *self._extending.values()}:
                await asyncio.wait(running)
            while self._entries:
                self._entries -= 1
                await self._store.__aexit__(None, None, None)

    def now(self) -> float:
        """Return the store's time in seconds, by the last measured offset."""
        here = asyncio.get_running_loop().time()
        return time.time() if self._ahead is None else here + self._ahead

    async def load(self, account: TokenAccount) -> TokenRecord:
        """Return the stored token and refusal of an account."""
        store, name, now = await self._entered(), self._name("account", account.key), asyncio.get_running_loop().time
        asked = now()
        (value,), at = await store.read([name])
        self._ahead = at / 1e6 - (asked + now()) / 2  # the store read its clock in the middle, on average
        entry = self._opened(value, name)
        return TokenRecord(entry.token, entry.refusal)

    async def acquire_renewal_lock(self, account: TokenAccount, *, lease: float) -> object | None:
        """Acquire the lock on the renewal of the account's token; return ``None`` if another client holds it."""
        lock = secrets.token_hex(16)
        taking = asyncio.ensure_future(self._take(account, lock, lease))
        try:
            taken = await asyncio.shield(taking)
        except asyncio.CancelledError:  # else the lock would stay until it ends by itself
            self._meanwhile(self._give_back(taking, account, lock))
            raise
        if not taken:
            return None
        task = self._extending[lock] = asyncio.create_task(self._extend(account, lock, lease))
        task.add_done_callback(lambda _: self._extending.pop(lock, None))
        return lock

    async def release_renewal_lock(self, account: TokenAccount, lock: object) -> None:
        """Release the lock, so that other clients may renew."""

        def release(values: StoredValues, _: int) -> StoredValues:
            return [None] if _holder(values[0])[0] == lock else values

        if (task := self._extending.get(lock)) is not None:
            task.cancel()
        await self._update(self._name("turn", account.key), release)

    async def save(self, account: TokenAccount, token: SharedToken) -> None:
        """Store a new token."""
        await self._put(account, _Entry(token=token))

    async def refuse(self, account: TokenAccount, refusal: SharedRefusal) -> None:
        """Store a refusal of the credentials."""
        await self._put(account, _Entry(refusal=refusal))

    async def drop(self, account: TokenAccount, refused: Secret) -> None:
        """Delete the token if it is ``refused``."""
        await self._delete(account, lambda entry: entry.token is not None and entry.token.secret == refused)

    async def clear_refusal(self, account: TokenAccount) -> None:
        """Delete a refusal."""
        await self._delete(account, lambda entry: entry.refusal is not None)

    async def admit(self, account: TokenAccount) -> float:
        """Count one token call and return 0, or return the seconds to wait."""
        wait = 0.0

        def take(values: StoredValues, now: int) -> StoredValues:
            nonlocal wait
            try:
                use = msgspec.json.decode(values[0] or b"[]", type=_Use)
            except msgspec.DecodeError:  # damaged: the use is forgotten, as in a restart of the store
                use = _Use()
            used, wait = use.used.take(now / 1e6)
            return [msgspec.json.encode(_Use(used))]

        # The value holds no secret; clients with different encryption keys share it.
        await self._update(f"calls:{account.client}", take, keep=2 * TOKEN_LIMIT.per)
        return wait

    async def _take(self, account: TokenAccount, lock: str, lease: float) -> bool:
        """Take the lock or extend its lease; return False if another client holds it."""
        taken, lease = False, min(lease, LOCK_LEASE)

        def take(values: StoredValues, now: int) -> StoredValues:
            nonlocal taken
            holder, ends_at = _holder(values[0])
            taken = ends_at <= now or holder == lock
            return [f"{lock} {now + int(lease * 1e6)}".encode()] if taken else values

        await self._update(self._name("turn", account.key), take, keep=lease)
        return taken

    async def _extend(self, account: TokenAccount, lock: str, lease: float) -> None:
        """Extend the lease of a lock, for ``lease`` seconds at most, until it is released or lost."""
        now = asyncio.get_running_loop().time
        ends_at = now() + lease
        while now() + LOCK_LEASE / 5 < ends_at:
            await asyncio.sleep(LOCK_LEASE / 5)
            try:
                if not await self._take(account, lock, ends_at - now()):
                    return
            except Exception as error:  # noqa: BLE001  (the lock ends by itself)
                logger.debug("%r: the lease of a renewal lock could not be extended: %s", self, type(error).__name__)

    async def _put(self, account: TokenAccount, entry: _Entry) -> None:
        name = self._name("account", account.key)
        content = _encoder.encode(entry)
        value = content if self._encryptor is None else self._encryptor.encrypt(content, _BOUND_TO + name)
        await self._update(name, lambda _, __: [value], keep=LONGEST_LIFE)

    async def _delete(self, account: TokenAccount, unwanted: Callable[[_Entry], bool]) -> None:
        name = self._name("account", account.key)
        await self._update(name, lambda values, _: [None] if unwanted(self._opened(values[0], name)) else values)

    async def _update(
        self, name: str, change: Callable[[StoredValues, int], StoredValues], *, keep: float = 0.0
    ) -> None:
        await (await self._entered()).update([name], change, keep_seconds=keep)

    async def _entered(self) -> KeyValueStore:
        """Return the store, entered on this event loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._entries, self._releasing, self._extending = loop, 0, set(), {}
        if not self._entries:
            await self._store.__aenter__()
            self._entries += 1  # two callers may come here at once
        return self._store

    def _opened(self, value: bytes | None, name: str) -> _Entry:
        if value is None:
            return _Entry()
        try:
            return _decoder.decode(
                value if self._encryptor is None else self._encryptor.decrypt(value, _BOUND_TO + name)
            )
        except (DecryptionError, ValueError, RecursionError):
            if self._ignored != value:
                self._ignored = value
                logger.warning("%r: a stored token is damaged: it is ignored, and replaced at the next renewal", self)
            return _Entry()

    def _name(self, kind: str, key: str) -> str:
        key_id = "" if self._encryptor is None else self._encryptor.key_id
        return f"{kind}:{key}:{key_id}" if key_id else f"{kind}:{key}"

    async def _give_back(self, taking: asyncio.Future[bool], account: TokenAccount, lock: str) -> None:
        try:
            if await taking:
                await self.release_renewal_lock(account, lock)
        except Exception:  # noqa: BLE001
            logger.debug("%r: a renewal lock could not be released: it ends by itself", self)

    def _meanwhile(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._releasing.add(task)
        task.add_done_callback(self._releasing.discard)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._store!r}>"


class MemoryTokenStore(KeyValueTokenStore):
    """Tokens in this process's memory: the default. Clients of one event loop that get the same store share a token."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(clock=self.now))

    def now(self) -> float:
        """Return the event loop's time, which cannot be put back."""
        return asyncio.get_running_loop().time()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class FileTokenStore(KeyValueTokenStore):
    """Tokens in a file, for one more release: use ``store=`` (``OCTOFFM_STORE``), which shares the limits too.

    The file is a :class:`~octoffm_async.stores.FileStore` at ``path`` with ``.sqlite`` appended. A file of an earlier
    release at ``path`` itself is left as it is.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: Secret | str | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        from ..stores.file import FileStore

        old = Path(path).expanduser().absolute()
        self.path: Path = old.with_name(old.name + ".sqlite")
        super().__init__(FileStore(self.path, clock=clock), key=key)
        if old.is_file():
            logger.warning("%s is of an earlier release, and not used any more: tokens are in %s", old, self.path)


def _holder(value: bytes | None) -> tuple[str, float]:
    """Return the holder of a lock, and the end of its lease in microseconds, which earlier releases did not write."""
    holder, _, ends_at = (value or b" 0").decode(errors="replace").partition(" ")
    return holder, int(ends_at) if ends_at.isdecimal() else math.inf
