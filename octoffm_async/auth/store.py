"""Token stores, through which clients that act for one account share a token: the protocol and its types.

:class:`~.keyvalue_store.KeyValueTokenStore` implements it on any store of keys and values.

A client keeps its current token itself; it uses the store only when the token must be renewed, a few times an hour.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import msgspec

from ..settings.values import TOKEN_LIMIT, Secret

if TYPE_CHECKING:
    from ..config import Config

LONGEST_LIFE = 86_400.0
"""Seconds: a longer life is not believed, as the error of a server or a clock would stay hidden for as long."""
MOST_SKEW = 5.0
"""Seconds by which the clocks of two sharing machines may differ; times further ahead are not believed."""
REFUSAL_HONOURED = 300.0
"""Seconds for which clients that share a store believe a refusal that another client met."""
BURST = (TOKEN_LIMIT.calls + 1) / 2
"""Token calls that may be made at once; the other half of the quota is the steady flow."""
_RATE = (TOKEN_LIMIT.calls + 1 - BURST) * (1 - 1e-6) / (TOKEN_LIMIT.per + MOST_SKEW)


class TokenAccount(NamedTuple):
    """The owner of a token. ``client`` identifies token endpoint and client id, ``key`` their secret as well.

    Both are 32 hexadecimal digits, made with a keyed digest: data stored under ``key`` cannot be found with another
    secret, and the secret cannot be derived from ``key``. The quota belongs to ``client``, all else to ``key``.
    """

    client: str
    key: str


class SharedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token in a store. Times are of the store's clock; ``asked_at`` is before the token was requested."""

    secret: Secret
    asked_at: float
    expires_at: float

    @property
    def believable(self) -> bool:
        """True if its life is one that a token can have."""
        return 0 < self.expires_at - self.asked_at <= LONGEST_LIFE


class SharedRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal of the credentials by the token endpoint: its time on the store's clock, and its message."""

    at: float
    message: str
    status: int = 0
    code: str = ""
    title: str = ""
    trace_id: str = ""

    def honoured_until(self, now: float) -> float | None:
        """Return the time until which the refusal is believed; None if that is over, or it comes from the future."""
        end = self.at + REFUSAL_HONOURED
        return end if self.at <= now + MOST_SKEW and now < end else None


class TokenRecord(NamedTuple):
    """The data that a store holds of an account."""

    token: SharedToken | None = None
    refusal: SharedRefusal | None = None


@runtime_checkable
class TokenStore(Protocol):
    """Shares the tokens of accounts between clients in one process, on one machine, or on many.

    An implementation, for instance on Redis or PostgreSQL, must guarantee:

    - **One renewal lock.** :meth:`acquire_renewal_lock` gives the lock on the renewal of an account's token to one
      client and None to all others, at once and without waiting; the client asks again. :meth:`release_renewal_lock`
      releases the lock; it also ends by itself when ``lease`` seconds have passed or its holder is known to be dead, so
      that a killed process stops no other. A holder whose lock expired must not release that of the next holder (Redis:
      ``SET key value NX PX``, and a compare-and-delete).
    - **One clock.** All times are of :meth:`now`. Where processes share the store it is wall-clock time, never a
      process's monotonic one; clients check that times are plausible, so a wrong clock costs a renewal at worst.
    - **Visible writes.** A :meth:`load` by any client after :meth:`save`, :meth:`drop`, :meth:`refuse` or
      :meth:`clear_refusal` has returned sees the complete change.
    - **Compare and drop.** :meth:`drop` removes the token only if it is still the one that was refused: a late 401 for
      an old token must not remove the new one.
    - **One quota.** :meth:`admit` counts a token call for all clients that share the quota (:class:`QuotaBucket` does
      the arithmetic), and does so atomically.
    - **Secrecy.** Only the owner can read the stored data; tokens appear in no log, ``repr`` or error.

    If a method raises, the store cannot be used now: the client logs one WARNING and goes on with a token of its own.
    ``ConfigurationError`` is passed on to the caller. A method that takes longer than 5 s counts as one that raised.
    Every method may be cancelled; a cancelled ``acquire_renewal_lock`` that acquired the lock must release it.
    ``TokenAccount``, ``TokenRecord`` and the other types are in :mod:`octoffm_async.auth`.
    """

    def now(self) -> float:
        """Return the present time of the store's clock, in seconds."""
        ...

    async def load(self, account: TokenAccount) -> TokenRecord:
        """Return the data of an account. The client decides whether it is still valid."""
        ...

    async def acquire_renewal_lock(self, account: TokenAccount, *, lease: float) -> object | None:
        """Return a lock on the account's renewal, for :meth:`release_renewal_lock`; None if another client holds it."""
        ...

    async def release_renewal_lock(self, account: TokenAccount, lock: object) -> None:
        """Release the lock on the account's renewal."""
        ...

    async def save(self, account: TokenAccount, token: SharedToken) -> None:
        """Store a new token in place of the old one and of a refusal."""
        ...

    async def drop(self, account: TokenAccount, refused: Secret) -> None:
        """Delete the token if it is ``refused``."""
        ...

    async def refuse(self, account: TokenAccount, refusal: SharedRefusal) -> None:
        """Store a refusal of the credentials in place of the token."""
        ...

    async def clear_refusal(self, account: TokenAccount) -> None:
        """Delete a refusal."""
        ...

    async def admit(self, account: TokenAccount) -> float:
        """Count one token call and return 0, or return the seconds to wait before asking again."""
        ...


class QuotaBucket(msgspec.Struct, frozen=True):
    """The used part of the token endpoint's 500 calls an hour: a leaky bucket, which keeps the limit in every window.

    A bucket of burst b and rate r admits at most ⌊b + r·T⌋ calls in a window of length T: here b + r·T is just below
    501. ``level`` counts calls that have not leaked away by ``at``.
    """

    level: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> tuple[QuotaBucket, float]:
        """Return the bucket after one more call and 0, or the same bucket and the seconds until there is room.

        A clock that was put back lets nothing leak for the time that seems not to have passed.
        """
        level = max(0.0, min(self.level, BURST) - max(0.0, now - self.at) * _RATE)
        over = level + 1.0 - BURST
        if over > 1e-9:
            return QuotaBucket(level, now), over / _RATE
        return QuotaBucket(level + 1.0, now), 0.0


def account_of(config: Config) -> TokenAccount:
    """Return the account that a configuration belongs to."""
    who = f"{config.token_url}\n{config.client_id}".encode()
    return TokenAccount(
        client=hmac.digest(b"octoffm_async client", who, "sha256").hex()[:32],
        key=hmac.digest(config.secret.reveal().encode(), b"octoffm_async credentials\n" + who, "sha256").hex()[:32],
    )
