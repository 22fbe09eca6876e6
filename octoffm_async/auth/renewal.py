"""The renewal of a token that several clients may share: one makes the token call, the others take its token.

A client that needs a token looks into the store; if it finds none that it can use, it tries to acquire the renewal
lock. While another client holds the lock it looks again, at growing intervals up to a tenth of a second. With the lock
it looks once more (another client may have been faster), then fetches and saves a token. It waits only for a part of
the lease for a holder that never returns, such as a stopped process: then it fetches a token without the lock.

A store that cannot be used (a full disk, a server that is down) causes a warning: the client goes on as if alone.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import TYPE_CHECKING, TypeVar

from ..errors import (
    AnsweredError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    CredentialsRefusedError,
    PermissionDeniedError,
    StoreError,
    UnusableAnswerError,
)
from .store import SharedRefusal, TokenRecord
from .token import shared_from, token_from, token_here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..config import Secret
    from ..contract.access import TokenAnswer
    from .store import TokenAccount, TokenStore
    from .token import Token

T = TypeVar("T")
logger: logging.Logger = logging.getLogger("octoffm_async")

STORE_TIMEOUT = 5.0
"""Seconds that a store may take for any operation."""
PATIENCE = 0.5
"""The part of the lease for which to wait for the lock; up to half as long again, so that clients spread out."""
PASSING_MOST, PASSING_FOR = 5, 300.0
"""Refusals in a row that are no OAuth error, and their seconds, after which calls no longer wait for their end."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.005, 0.1
"""Seconds between two looks while another client holds the lock."""
_ALONE = object()


class RenewalRefused(Exception):  # noqa: N818  (not an error of its own: it carries one)
    """The credentials were refused: ``error`` says so; another look before ``until`` (loop time) is useless."""

    def __init__(self, error: AnsweredError, until: float = math.inf) -> None:
        super().__init__()
        self.error = error
        self.until = until


class TokenRenewer:
    """The renewal of one client's tokens. ``rejected`` is the last token that the API refused."""

    def __init__(
        self, fetch: Callable[[], Awaitable[TokenAnswer]], store: TokenStore, account: TokenAccount, *, lease: float
    ) -> None:
        self.rejected: Secret | None = None
        self._fetch = fetch
        self._store = store
        self._account = account
        self._lease = lease
        self._refused: CredentialsRefusedError | None = None
        self._refusals = 0
        self._refusals_began = 0.0
        self._clearing_refusal = False
        self._failure_logged = False
        self._saving: asyncio.Future[bool] | None = None
        self._releasing: asyncio.Future[None] | None = None

    async def renew(self, current: Token | None, meanwhile: Callable[[Token], None]) -> Token:
        """Return a token to replace ``current``; call ``meanwhile`` with one that is due for renewal but valid, if any.

        Raises:
            RenewalRefused: The credentials were refused, in this call, in an earlier one, or for another client.
            CallError: The token endpoint could not be reached or failed.
            ConfigurationError: The store is not safe to use.
        """
        now = asyncio.get_running_loop().time
        give_up_at = now() + self._lease * PATIENCE * random.uniform(1.0, 1.5)
        pause = SHORTEST_PAUSE
        while True:
            if not self._clearing_refusal and (token := await self._known(current, meanwhile)) is not None:
                return token
            lock = await self._call_store(self._store.acquire_renewal_lock(self._account, lease=self._lease), _ALONE)
            if lock is not None or now() >= give_up_at:
                break
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)
        try:
            return await self._renew_with_lock(current, meanwhile)
        finally:
            if lock is not None and lock is not _ALONE:
                # In a task of its own: a renewal that is cancelled right here must release the lock all the same.
                self._releasing = asyncio.ensure_future(self._release(lock))
                await asyncio.shield(self._releasing)

    def rebind(self) -> None:
        """Prepare for use on another event loop."""
        self._saving = self._releasing = None

    def clear_refusal(self) -> None:
        """Make the next renewal forget that the credentials were refused."""
        self._refused = None
        self._clearing_refusal = True

    async def close(self) -> None:
        """Wait until a cancelled renewal has saved its token and released its lock."""
        here = asyncio.get_running_loop()
        for work in (self._saving, self._releasing):
            if work is not None and work.get_loop() is here:  # a task of a loop that is gone never ends
                await asyncio.wait([work])
        self._saving = self._releasing = None

    async def permit(self) -> None:
        """Wait until the shared quota has room for one more token call."""
        wait = await self._call_store(self._store.admit(self._account), 0.0)
        while wait > 0:
            await asyncio.sleep(wait)
            wait = await self._call_store(self._store.admit(self._account), 0.0)

    async def _renew_with_lock(self, current: Token | None, meanwhile: Callable[[Token], None]) -> Token:
        if self._clearing_refusal:
            await self._call_store(self._store.clear_refusal(self._account), None)
            self._clearing_refusal = False
        if (token := await self._known(current, meanwhile)) is not None:
            return token
        if self._refused is not None:
            raise RenewalRefused(self._refused)
        if self.rejected is not None:
            await self._call_store(self._store.drop(self._account, self.rejected), None)
        return await self._fetched()

    async def _known(self, current: Token | None, meanwhile: Callable[[Token], None]) -> Token | None:
        """Return the store's token, if it needs no renewal and is not the one to be replaced."""
        stored = await self._call_store(self._store.load(self._account), TokenRecord())
        there, here = self._store.now(), asyncio.get_running_loop().time()
        known = {self.rejected, None if current is None else current.secret}
        if stored.token is not None and stored.token.secret not in known:
            token = token_here(stored.token, there=there, here=here)
            if token is not None and here < token.renew_at:
                return token
            if token is not None and here < token.expires_at:
                meanwhile(token)
        if stored.refusal is not None and (until := stored.refusal.honoured_until(there)) is not None:
            raise RenewalRefused(self._refused or _refused_elsewhere(stored.refusal, there), here + until - there)
        return None

    async def _fetched(self) -> Token:
        here, there = asyncio.get_running_loop().time(), self._store.now()
        try:
            answer = await self._fetch()
        except UnusableAnswerError as error:
            if error.retryable:
                self._note_passing(error)
            raise
        except (AuthenticationError, BadRequestError, PermissionDeniedError) as error:
            if error.retryable:
                self._note_passing(error)
                raise
            self._refused = _as_refused(error)
            await self._save(self._store.refuse(self._account, _shared(error, self._store.now())))
            raise RenewalRefused(self._refused) from error
        self._refusals = 0
        token = token_from(answer, asked_at=here)
        if await self._save(self._store.save(self._account, shared_from(answer, asked_at=there))):
            self._failure_logged = False
        return token

    async def _save(self, work: Awaitable[None]) -> bool:
        """Save what a token call gave, also if this renewal is cancelled: else another client repeats the call."""
        self._saving = asyncio.ensure_future(self._call_store(_true(work), False))  # noqa: FBT003
        return await asyncio.shield(self._saving)

    async def _release(self, lock: object) -> None:
        """Release the lock, after what is being saved: who has it next must find that."""
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self._call_store(self._store.release_renewal_lock(self._account, lock), None)

    def _note_passing(self, error: AnsweredError) -> None:
        """Note a refusal that is no OAuth error.

        Raises:
            RenewalRefused: There was no other answer for so long that it does not pass.
        """
        now = asyncio.get_running_loop().time()
        self._refusals += 1
        if self._refusals == 1:
            self._refusals_began = now
        lasted = now - self._refusals_began
        if self._refusals >= PASSING_MOST and lasted >= PASSING_FOR:
            error.retryable = False
            error.message += f"; for {lasted:.0f} s there was no other answer"
            raise RenewalRefused(error) from error

    async def _call_store(self, work: Awaitable[T], otherwise: T) -> T:
        """Return the store's result, or ``otherwise`` if the store fails."""
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                return await work
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001  (calls of the API must go on, whatever a store raises)
            self._log_failure(error)
            return otherwise

    def _log_failure(self, error: Exception) -> None:
        if not self._failure_logged:
            self._failure_logged = True
            # Not the text of any other error: it may contain the address and the password of the store.
            text = str(error) if isinstance(error, StoreError) else isinstance(error, OSError) and error.strerror
            reason = text or type(error).__name__
            logger.warning("%r cannot be used (%s): going on with a token that is not shared", self._store, reason)


async def _true(work: Awaitable[None]) -> bool:
    await work
    return True


def _as_refused(error: AuthenticationError | BadRequestError | PermissionDeniedError) -> CredentialsRefusedError:
    refused = CredentialsRefusedError(
        f"the token endpoint refused the credentials: {error.message}; check client_id and client_secret",
        status=error.status,
        code=error.code,
        title=error.title,
        trace_id=error.trace_id,
        body=error.body,
    )
    refused.operation, refused.attempts = error.operation, error.attempts
    return refused


def _shared(error: AuthenticationError | BadRequestError | PermissionDeniedError, at: float) -> SharedRefusal:
    return SharedRefusal(
        at=at, message=error.message, status=error.status, code=error.code, title=error.title, trace_id=error.trace_id
    )


def _refused_elsewhere(refusal: SharedRefusal, now: float) -> CredentialsRefusedError:
    return CredentialsRefusedError(
        f"the token endpoint refused the credentials {max(0.0, now - refusal.at):.0f} s ago, asked by another client "
        f"that shares the token store: {refusal.message}; check client_id and client_secret",
        status=refusal.status,
        code=refusal.code,
        title=refusal.title,
        trace_id=refusal.trace_id,
    )
