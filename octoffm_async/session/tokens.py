"""The bearer token: fetched once for all, renewed before it ends, dropped when refused.

A token's life is counted from *before* it was asked for. In the **advisory** window (the last fifth of its life) the
first caller starts a renewal and everybody goes on with the old token; in the **mandatory** window (the last 60 s, at
most a tenth of its life) everybody waits for the new one. The fetch runs in a task of its own: cancelling a waiter
fails no other.

A 401 drops only the token that was refused, so a burst of 401s renews once. Refused credentials are remembered: a
thousand waiters with a wrong secret make one token call, until :meth:`TokenSource.reset`.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING

import msgspec

from ..config import Secret
from ..errors import (
    AuthenticationError,
    BadRequestError,
    CallError,
    ClosedError,
    CredentialsRefusedError,
    PermissionDeniedError,
    UnusableAnswerError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..contract.access import TokenAnswer

ADVISORY_SHARE = 0.8
MANDATORY_SECONDS = 60.0
MANDATORY_SHARE = 0.1
LONGEST_LIFE = 86_400.0
"""A life longer than a day is not believed: it would hide a server's mistake for as long."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer token; times are the event loop's."""

    secret: Secret
    renew_at: float
    expires_at: float


def token_from(answer: TokenAnswer, *, asked_at: float) -> Token:
    """The token of an answer to a request sent at ``asked_at``.

    Raises:
        UnusableAnswerError: it is empty, or lives for no time.
    """
    if not answer.access_token.strip() or not answer.expires_in > 0:
        raise UnusableAnswerError(f"the token endpoint gave no usable token (expires_in = {answer.expires_in})")
    life = min(answer.expires_in, LONGEST_LIFE)
    mandatory = life - min(MANDATORY_SECONDS, MANDATORY_SHARE * life)
    return Token(
        secret=Secret(answer.access_token),
        renew_at=asked_at + ADVISORY_SHARE * life,
        expires_at=asked_at + mandatory,
    )


class TokenSource:
    """The current token of one client account. ``fetch`` makes one token call, retries included."""

    def __init__(self, fetch: Callable[[], Awaitable[TokenAnswer]]) -> None:
        self._fetch = fetch
        self._token: Token | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._refused: CallError | None = None

    def fresh(self, now: float) -> Token | None:
        """The token if nothing needs to be done about it: the hot path."""
        token = self._token
        return token if token is not None and now < token.renew_at else None

    def usable(self, now: float) -> Token | None:
        """The token if it may still be sent."""
        token = self._token
        return token if token is not None and now < token.expires_at else None

    async def get(self) -> Token:
        """A token that is good for a while.

        Raises:
            CredentialsRefusedError: the credentials were refused, now or before.
            CallError: the token endpoint could not be reached or failed.
        """
        now = asyncio.get_running_loop().time
        while True:
            if (token := self.fresh(now())) is not None:
                return token
            if self._refused is not None:
                raise copy.copy(self._refused)
            fetching = self._fetching or self._start()
            if (token := self.usable(now())) is not None:
                return token
            # asyncio.wait neither cancels the task together with this waiter nor raises the task's error here.
            await asyncio.wait([fetching])
            if fetching.cancelled():
                raise ClosedError("the client was closed while a token was awaited")
            if (error := fetching.exception()) is not None:
                raise copy.copy(error)

    def invalidate(self, token: Token) -> None:
        """``token`` was refused: forget it, unless a newer one took its place."""
        if self._token is token:
            self._token = None

    def reset(self) -> None:
        """Forget a refusal of the credentials, for instance after the secret was renewed on the other side."""
        self._refused = None

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _start(self) -> asyncio.Task[None]:
        self._fetching = asyncio.create_task(self._renew(), name="octoffm_async token")
        self._fetching.add_done_callback(_retrieve)
        return self._fetching

    async def _renew(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        try:
            self._token = token_from(await self._fetch(), asked_at=asked_at)
        except (AuthenticationError, BadRequestError, PermissionDeniedError) as error:
            self._token, self._refused = None, _as_refused(error)
        except CallError:
            self._postpone()
            raise
        finally:
            self._fetching = None

    def _postpone(self) -> None:
        # An advisory renewal failed: go on with the old token and try again when it must be renewed.
        if self._token is not None:
            old = self._token
            self._token = msgspec.structs.replace(old, renew_at=old.expires_at)


def _retrieve(task: asyncio.Task[None]) -> None:
    # An advisory renewal has no waiter: its error is not news, the next caller meets it or a good token.
    if not task.cancelled():
        task.exception()


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
