"""Where tokens are kept, so that clients that act for one account can share one: a protocol, and a store in memory.

A client keeps its current token itself; a store is asked when the token must be renewed, a few times an hour.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import msgspec

from ..config import TOKEN_LIMIT, Secret

if TYPE_CHECKING:
    from ..config import Config

LONGEST_LIFE = 86_400.0
"""A life longer than a day is not believed: it would hide a server's or a clock's mistake for as long."""
MOST_SKEW = 5.0
"""Seconds that the clocks of two sharing machines may differ; what comes from further ahead is not believed."""
REFUSAL_HONOURED = 300.0
"""Seconds for which those who share a store believe a refusal that another one met."""
BURST = (TOKEN_LIMIT.calls + 1) / 2
"""Token calls that may be made at once; the other half of the quota is the steady flow."""
_RATE = (TOKEN_LIMIT.calls + 1 - BURST) * (1 - 1e-6) / (TOKEN_LIMIT.per + MOST_SKEW)


class Account(NamedTuple):
    """Whose token it is. ``client`` names token endpoint and client id, ``key`` their secret as well.

    Both are 32 hexadecimal digits, made with a keyed digest: what is kept under ``key`` is not found with another
    secret, and the secret is not found from ``key``. The quota belongs to ``client``, all else to ``key``.
    """

    client: str
    key: str


class SharedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token as stores hold it. Times are of the store's clock; ``asked_at`` is before the token was asked for."""

    secret: Secret
    asked_at: float
    expires_at: float

    @property
    def believable(self) -> bool:
        """Whether its life is one that a token can have."""
        return 0 < self.expires_at - self.asked_at <= LONGEST_LIFE


class SharedRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """That the token endpoint refused the credentials, at a time of the store's clock, and what it said."""

    at: float
    message: str
    status: int = 0
    code: str = ""
    title: str = ""
    trace_id: str = ""

    def honoured_until(self, now: float) -> float | None:
        """When it will have been honoured long enough; ``None`` if that was, or it comes from the future."""
        end = self.at + REFUSAL_HONOURED
        return end if self.at <= now + MOST_SKEW and now < end else None


class Holding(NamedTuple):
    """What a store holds of an account."""

    token: SharedToken | None = None
    refusal: SharedRefusal | None = None


@runtime_checkable
class TokenStore(Protocol):
    """Shares the tokens of accounts between clients, be they in one process, on one machine, or on many.

    An implementation, for instance on Redis or PostgreSQL, must promise:

    - **One turn at a time.** :meth:`take_turn` gives the right to renew an account's token to one asker and ``None`` to
      all others, at once and without waiting; the client asks again. A turn ends with :meth:`end_turn`, or by itself
      when ``lease`` seconds have passed or its holder is known to be dead, so that a killed process stops nobody. A
      turn that ran out must not end the next holder's (Redis: ``SET key value NX PX``, and a compare-and-delete).
    - **One clock.** All times are of :meth:`now`. Where processes share the store it is wall-clock time, never a
      process's monotonic one; clients bound what they believe, so a wrong clock costs a renewal at worst.
    - **What was saved is seen.** A :meth:`load` by anybody after :meth:`save`, :meth:`drop`, :meth:`refuse` or
      :meth:`forgive` has returned sees it, whole.
    - **Compare and drop.** :meth:`drop` removes the token only if it is still the one that was refused: a late 401 of
      an old token must not throw away the new one.
    - **One quota.** :meth:`admit` counts a token call for all who share (:class:`Allowance` is the arithmetic), and
      does so atomically.
    - **Secrecy.** Only the owner can read what is kept; tokens appear in no log, ``repr`` or error.

    A method that raises says that the store cannot be used now: the client tells so once, at WARNING, and goes on with
    a token of its own. ``ConfigurationError`` is passed on to the caller. A method that takes longer than 5 s counts as
    one that raised. Every method may be cancelled; a turn that was taken by a cancelled ``take_turn`` must be given up.
    ``Account``, ``Holding`` and the rest are in this module, :mod:`octoffm_async.session.token_stores`.
    """

    def now(self) -> float:
        """The clock of all times in this store, in seconds."""
        ...

    async def load(self, account: Account) -> Holding:
        """What is held of an account. Whether it is still good is the client's to judge."""
        ...

    async def take_turn(self, account: Account, *, lease: float) -> object | None:
        """The right to renew the account's token, to be given to :meth:`end_turn`; ``None`` if another has it."""
        ...

    async def end_turn(self, account: Account, turn: object) -> None:
        """Let others renew."""
        ...

    async def save(self, account: Account, token: SharedToken) -> None:
        """Keep a new token in place of the old one and of a refusal."""
        ...

    async def drop(self, account: Account, refused: Secret) -> None:
        """Forget the token if it is ``refused``."""
        ...

    async def refuse(self, account: Account, refusal: SharedRefusal) -> None:
        """Keep a refusal of the credentials in place of the token."""
        ...

    async def forgive(self, account: Account) -> None:
        """Forget a refusal."""
        ...

    async def admit(self, account: Account) -> float:
        """Count one token call and return 0, or return the seconds to wait before it may be asked for again."""
        ...


class Allowance(msgspec.Struct, frozen=True):
    """How much of the token endpoint's 500 an hour is used: a leaky bucket, which holds the limit in every window.

    A bucket of burst b and rate r admits at most ⌊b + r·T⌋ in a window of length T: here b + r·T is just below 501.
    ``level`` counts calls that have not leaked away by ``at``.
    """

    level: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> tuple[Allowance, float]:
        """The allowance after one more call, and 0; or the same allowance, and the seconds until there is room.

        A clock that was put back lets nothing leak for the time that seems not to have passed.
        """
        level = max(0.0, min(self.level, BURST) - max(0.0, now - self.at) * _RATE)
        over = level + 1.0 - BURST
        if over > 1e-9:
            return Allowance(level, now), over / _RATE
        return Allowance(level + 1.0, now), 0.0


class MemoryTokenStore:
    """Tokens in this process's memory: the default. Given to several clients of one event loop, they share a token."""

    def __init__(self) -> None:
        self._held: dict[str, Holding] = {}
        self._turns: dict[str, object] = {}
        self._calls: dict[str, Allowance] = {}

    def now(self) -> float:
        """The event loop's time: nothing can put it back."""
        return asyncio.get_running_loop().time()

    async def load(self, account: Account) -> Holding:
        """What is held of an account."""
        return self._held.get(account.key, Holding())

    async def take_turn(self, account: Account, *, lease: float) -> object | None:  # noqa: ARG002  (nobody dies alone)
        """The right to renew the account's token; ``None`` if another client has it."""
        if account.key in self._turns:
            return None
        turn = self._turns[account.key] = object()
        return turn

    async def end_turn(self, account: Account, turn: object) -> None:
        """Let other clients renew."""
        if self._turns.get(account.key) is turn:
            del self._turns[account.key]

    async def save(self, account: Account, token: SharedToken) -> None:
        """Keep a new token."""
        self._held[account.key] = Holding(token)

    async def drop(self, account: Account, refused: Secret) -> None:
        """Forget the token if it is ``refused``."""
        held = self._held.get(account.key, Holding())
        if held.token is not None and held.token.secret == refused:
            self._held[account.key] = held._replace(token=None)

    async def refuse(self, account: Account, refusal: SharedRefusal) -> None:
        """Keep a refusal of the credentials."""
        self._held[account.key] = Holding(refusal=refusal)

    async def forgive(self, account: Account) -> None:
        """Forget a refusal."""
        self._held[account.key] = self._held.get(account.key, Holding())._replace(refusal=None)

    async def admit(self, account: Account) -> float:
        """Count one token call and return 0, or return the seconds to wait."""
        self._calls[account.client], wait = self._calls.get(account.client, Allowance()).take(self.now())
        return wait

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def account_of(config: Config) -> Account:
    """The account of a client's settings."""
    who = f"{config.token_url}\n{config.client_id}".encode()
    return Account(
        client=hmac.digest(b"octoffm_async client", who, "sha256").hex()[:32],
        key=hmac.digest(config.secret.reveal().encode(), b"octoffm_async credentials\n" + who, "sha256").hex()[:32],
    )
