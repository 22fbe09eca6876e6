"""The bearer token: fetched once for all, renewed before it ends, dropped when refused.

A token's life is counted from *before* it was asked for. In the **advisory** window (the last fifth of its life) the
first caller starts a renewal and everybody goes on with the old token; in the **mandatory** window (the last 60 s, at
most a tenth of its life) everybody waits for the new one. The renewal runs in a task of its own: cancelling a waiter
fails no other. What a renewal is where several clients share a token is in :mod:`.token_sharing`.

A 401 drops only the token that was refused, so a burst of 401s renews once. Refused credentials are remembered: a
thousand waiters with a wrong secret make one token call, until :meth:`TokenSource.reset`.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

import msgspec

from ..errors import CallError, ClosedError, ConfigurationError
from .token_sharing import Refused, Renewals
from .token_stores import Account, MemoryTokenStore
from .token_times import Token, token_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..contract.access import TokenAnswer
    from ..errors import CredentialsRefusedError
    from .token_stores import TokenStore

__all__ = ["Token", "TokenSource", "token_from"]

LOOK_AGAIN = 10.0
"""Seconds between two looks into the store, while the credentials count as refused: another client may know better."""
_NOBODY = Account("", "")


class TokenSource:
    """The current token of one client account. ``fetch`` makes one token call, retries included.

    ``lease`` is how long a fetch may take at most.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[TokenAnswer]],
        *,
        store: TokenStore | None = None,
        account: Account = _NOBODY,
        lease: float = 60.0,
    ) -> None:
        self._renewals = Renewals(fetch, MemoryTokenStore() if store is None else store, account, lease=lease)
        self._token: Token | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._refused: CredentialsRefusedError | None = None
        self._look_at = 0.0

    def fresh(self, now: float) -> Token | None:
        """The token if nothing needs to be done about it: the hot path."""
        token = self._token
        return token if token is not None and now < token.renew_at else None

    def usable(self, now: float) -> Token | None:
        """The token if it may still be sent."""
        token = self._token
        return token if token is not None and now < token.expires_at else None

    def age(self, now: float) -> float | None:
        """Seconds since the token was asked for; ``None`` without one."""
        return None if self._token is None else max(0.0, now - self._token.asked_at)

    def left(self, now: float) -> float | None:
        """Seconds for which the token may still be sent, 0 if it may not; ``None`` without one."""
        return None if self._token is None else max(0.0, self._token.expires_at - now)

    async def get(self) -> Token:
        """A token that is good for a while.

        Raises:
            CredentialsRefusedError: the credentials were refused, now or before, here or where the token is shared.
            CallError: the token endpoint could not be reached or failed.
            ConfigurationError: the token store is not safe to use.
        """
        now = asyncio.get_running_loop().time
        while True:
            if (token := self.fresh(now())) is not None:
                return token
            if self._refused is not None and now() < self._look_at:
                raise copy.copy(self._refused)
            renewing = self._renewing or self._start()
            if (token := self.usable(now())) is not None:
                return token
            # asyncio.wait neither cancels the task together with this waiter nor raises the task's error here.
            await asyncio.wait([renewing])
            if renewing.cancelled():
                raise ClosedError("the client was closed while a token was awaited")
            if (error := renewing.exception()) is not None and self.usable(now()) is None:
                raise copy.copy(error)

    def invalidate(self, token: Token) -> None:
        """``token`` was refused: forget it, unless a newer one took its place."""
        if self._token is token:
            self._token = None
            self._renewals.rejected = token.secret

    def reset(self) -> None:
        """Forget a refusal of the credentials, for instance after the secret was renewed on the other side.

        Those who share the token store forget it too, with the next call.
        """
        self._refused = None
        self._renewals.forgive()

    async def permit(self) -> None:
        """Wait until the token endpoint's quota has room for one more call of all who share the store."""
        await self._renewals.permit()

    async def close(self) -> None:
        """Stop a renewal that is under way."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        await self._renewals.close()

    def _start(self) -> asyncio.Task[None]:
        self._renewing = asyncio.create_task(self._renew(), name="octoffm_async token")
        self._renewing.add_done_callback(_retrieve)
        return self._renewing

    async def _renew(self) -> None:
        try:
            self._token = await self._renewals.renew(self._token, self._meanwhile)
            self._refused = None
        except Refused as refused:
            self._token, self._refused = None, refused.error
            self._look_at = min(refused.until, asyncio.get_running_loop().time() + LOOK_AGAIN)
        except (CallError, ConfigurationError):
            self._postpone()
            raise
        finally:
            self._renewing = None

    def _meanwhile(self, token: Token) -> None:
        # The store has a token that is due for renewal but good until then.
        if self._token is None:
            self._token = token

    def _postpone(self) -> None:
        # An advisory renewal failed: go on with the old token and try again when it must be renewed.
        if self._token is not None:
            old = self._token
            self._token = msgspec.structs.replace(old, renew_at=old.expires_at)


def _retrieve(task: asyncio.Task[None]) -> None:
    # An advisory renewal has no waiter: its error is not news, the next caller meets it or a good token.
    if not task.cancelled():
        task.exception()
