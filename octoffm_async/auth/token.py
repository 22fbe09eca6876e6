"""The renewal windows of a token, and the conversion of its times from a shared clock to the event loop's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..config import Secret
from ..errors import UnusableAnswerError
from .store import LONGEST_LIFE, MOST_SKEW, SharedToken

if TYPE_CHECKING:
    from ..contract.access import TokenAnswer

ADVISORY_SHARE = 0.8
MANDATORY_SECONDS = 60.0
MANDATORY_SHARE = 0.1


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A bearer token; times are the event loop's. From ``expires_at`` on the client must not send it."""

    secret: Secret
    asked_at: float
    renew_at: float
    expires_at: float


def token_of(secret: Secret, *, life: float, asked_at: float) -> Token:
    """Return a token with its renewal windows."""
    return Token(
        secret=secret,
        asked_at=asked_at,
        renew_at=asked_at + ADVISORY_SHARE * life,
        expires_at=asked_at + life - min(MANDATORY_SECONDS, MANDATORY_SHARE * life),
    )


def life_of(answer: TokenAnswer) -> float:
    """Return the life of a token in seconds, cut to the longest that is believed.

    Raises:
        UnusableAnswerError: The token is empty or no text of a header, or its life is zero.
    """
    if not (answer.access_token.isascii() and answer.access_token.isprintable()):
        raise UnusableAnswerError("the token endpoint gave a token with a sign that cannot be sent in a header")
    if not answer.access_token.strip() or not answer.expires_in > 0:
        raise UnusableAnswerError(f"the token endpoint gave no usable token (expires_in = {answer.expires_in})")
    return min(answer.expires_in, LONGEST_LIFE)


def token_from(answer: TokenAnswer, *, asked_at: float) -> Token:
    """Return the token of a response to a request sent at ``asked_at``.

    Raises:
        UnusableAnswerError: The token is empty or no text of a header, or its life is zero.
    """
    return token_of(Secret(answer.access_token), life=life_of(answer), asked_at=asked_at)


def shared_from(answer: TokenAnswer, *, asked_at: float) -> SharedToken:
    """Return the same token for a store whose clock showed ``asked_at`` when the request was sent."""
    return SharedToken(
        secret=Secret(answer.access_token), asked_at=asked_at, expires_at=asked_at + life_of(answer)
    )  # fmt: skip  (as its sibling above)


def token_here(shared: SharedToken, *, there: float, here: float) -> Token | None:
    """Convert a store's token to the event loop's clock: now is ``there`` on the store's clock, ``here`` on the loop's.

    Return None if its life is over or not believable, or if it was requested in the future: then a clock was put back,
    and it is unknown how long the token really lives. It never lives longer than its whole life from now.
    """
    age = there - shared.asked_at
    if not shared.believable or not -MOST_SKEW <= age < shared.expires_at - shared.asked_at:
        return None
    return token_of(shared.secret, life=shared.expires_at - shared.asked_at, asked_at=here - max(0.0, age))
