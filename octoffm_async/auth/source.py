"""The bearer token: fetched once for all calls, renewed before it expires, dropped when refused.

The life of a token is counted from *before* it was requested. In the **advisory** window (the last fifth of its life)
the first caller starts a renewal and all calls go on with the old token; in the **mandatory** window (the last 60 s, at
most a tenth of its life) all calls wait for the new one. The renewal runs in a task of its own: cancelling one waiting
call does not affect the others. :mod:`.renewal` describes a renewal where several clients share a token.

A 401 drops only the token that was refused, so a burst of 401s causes one renewal. Refused credentials are remembered:
a thousand calls with a wrong secret make one token call, until :meth:`TokenSource.reset`.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

import msgspec

from ..errors import CallError, ClosedError, ConfigurationError, UnusableAnswerError
from .keyvalue_store import MemoryTokenStore
from .renewal import RenewalRefused, TokenRenewer
from .store import TokenAccount
from .token import Token, token_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..contract.access import TokenAnswer
    from ..errors import AnsweredError
    from .store import TokenStore

__all__ = ["Token", "TokenSource", "token_from"]

RECHECK_SECONDS = 10.0
"""Seconds between two looks into the store while the credentials count as refused: another client may have new ones."""
DROPS_MOST, DROP_SECONDS = 10.0, 10.0
"""Tokens that the API refused and that may be forgotten at once, and the seconds after which one more may be."""
UNUSED_COST, REVOKED_COST, IN_ROW = 3.0, 0.25, 3
"""The number that a token counts for which the API never accepted (dead on arrival); and the one of a token that it
accepted first, and then refused so often in a row that it must have been revoked, for all sellers."""
DEAD_MOST = 10
"""Tokens in a row that arrive after their end before the client pauses."""
_NOBODY = TokenAccount("", "")


class TokenSource:
    """The current token of one client account. ``fetch`` makes one token call, retries included.

    ``lease`` is the longest duration of a fetch in seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[TokenAnswer]],
        *,
        store: TokenStore | None = None,
        account: TokenAccount = _NOBODY,
        lease: float = 60.0,
    ) -> None:
        self._renewals = TokenRenewer(fetch, MemoryTokenStore() if store is None else store, account, lease=lease)
        self._token: Token | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._refused: AnsweredError | None = None
        self._look_at = 0.0
        self._dead = 0
        self._accepted: Token | None = None
        self._refused_in_row = 0
        self._drops = DROPS_MOST
        self._drops_at = 0.0

    def rebind(self) -> None:
        """Prepare for use on another event loop: a renewal on the last one ended with it."""
        self._renewing = None
        self._renewals.rebind()

    def fresh(self, now: float) -> Token | None:
        """Return the token if it needs no renewal yet: the hot path."""
        token = self._token
        return token if token is not None and now < token.renew_at else None

    def usable(self, now: float) -> Token | None:
        """Return the token if it may still be sent."""
        token = self._token
        return token if token is not None and now < token.expires_at else None

    def age(self, now: float) -> float | None:
        """Return the seconds since the token was requested; None without one."""
        return None if self._token is None else max(0.0, now - self._token.asked_at)

    def left(self, now: float) -> float | None:
        """Return the seconds for which the token may still be sent, 0 if it may not; None without one."""
        return None if self._token is None else max(0.0, self._token.expires_at - now)

    @property
    def are_refused(self) -> bool:
        """True if the endpoint refused the credentials last."""
        return self._refused is not None

    async def get(self) -> Token:
        """Return a valid token, renewing it if needed.

        Raises:
            CredentialsRefusedError: The credentials were refused, now or before, here or for a client with the same
            store. CallError: The token endpoint could not be reached or failed. ConfigurationError: The token store is
            not safe to use.
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
            # asyncio.wait neither cancels the task together with this call nor raises the task's error here.
            await asyncio.wait([renewing])
            if renewing.cancelled():
                raise ClosedError("the client was closed while a token was awaited")
            if (error := renewing.exception()) is not None and self.usable(now()) is None:
                raise copy.copy(error)

    def invalidate(self, token: Token, *, accepted: bool = False) -> None:
        """Forget ``token``, which the API refused, unless a newer one replaced it.

        It is kept if too many were forgotten lately: the next would be refused as well, or this one only for one
        seller. ``accepted`` says that the API took the token since it last refused it.
        """
        if self._token is not token:
            return
        self._refused_in_row = 1 if accepted else self._refused_in_row + 1
        if accepted:
            self._accepted = token
        now = asyncio.get_running_loop().time()
        self._drops = min(DROPS_MOST, self._drops + (now - self._drops_at) / DROP_SECONDS)
        self._drops_at = now
        cost = UNUSED_COST
        if self._accepted is token:
            cost = 1.0 if self._refused_in_row < IN_ROW else REVOKED_COST
        if self._drops >= cost:
            self._drops -= cost
            self._token = None
            self._renewals.rejected = token.secret

    def reset(self) -> None:
        """Forget a refusal of the credentials, for instance after the secret was renewed at the API.

        Clients that share the token store forget it too, with the next call.
        """
        self._refused = None
        self._renewals.clear_refusal()

    async def permit(self) -> None:
        """Wait until the token endpoint's quota, shared by all clients of the store, has room for one more call."""
        await self._renewals.permit()

    async def close(self) -> None:
        """Stop a running renewal."""
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
            self._token = token = await self._renewals.renew(self._token, self._meanwhile)
            self._refused = None
            self._note_arrival(token, asyncio.get_running_loop().time())
        except RenewalRefused as refused:
            self._token, self._refused = None, refused.error
            self._look_at = min(refused.until, asyncio.get_running_loop().time() + RECHECK_SECONDS)
        except (CallError, ConfigurationError):
            self._postpone()
            raise
        finally:
            self._renewing = None

    def _note_arrival(self, token: Token, now: float) -> None:
        """Note whether a token's life was over before it arrived; after a few of those pause before the next."""
        self._dead = self._dead + 1 if now >= token.expires_at else 0
        if self._dead >= DEAD_MOST:
            self._token, self._look_at = None, now + RECHECK_SECONDS
            self._refused = UnusableAnswerError(
                f"the token endpoint gave {self._dead} tokens in a row whose life (expires_in) was over when they "
                f"arrived, after {now - token.asked_at:.2f} s; the next one is asked for in {RECHECK_SECONDS:.0f} s"
            )

    def _meanwhile(self, token: Token) -> None:
        # The store has a token that is due for renewal, but valid until then.
        if self._token is None:
            self._token = token

    def _postpone(self) -> None:
        # An advisory renewal failed: go on with the old token and try again when it must be renewed.
        if self._token is not None:
            old = self._token
            self._token = msgspec.structs.replace(old, renew_at=old.expires_at)


def _retrieve(task: asyncio.Task[None]) -> None:
    # An advisory renewal is not awaited: its error is no news, the next caller meets it again or a valid token.
    if not task.cancelled():
        task.exception()
