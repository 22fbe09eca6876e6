"""The response of the token endpoint: a token, and its life in whatever form the endpoint states it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from ...contract.access import TokenAnswer
from ...contract.operations import CREATE_TOKEN
from .learning_reader import UNDECODABLE, is_marked, unmarked
from .unusable import UnusableError

if TYPE_CHECKING:
    from ...transport.response import Response
    from .drift import DriftLog

UNSTATED_LIFE = 60.0
"""Seconds for which a token is used whose life is not stated, or in no readable form. Should it end before that, the
API refuses it, and the client renews it."""
_NOTHING = msgspec.Raw(b"null")


class _Answered(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: msgspec.Raw = _NOTHING
    token_type: str | None = None


_DECODER = msgspec.json.Decoder(_Answered, strict=False)


def read_token(response: Response, drift: DriftLog) -> TokenAnswer:
    """Return the token of a response.

    Raises:
        UnusableError: The body is not JSON, or holds no token; the reason shows none of it.
    """
    try:
        found = _DECODER.decode(response.body)
    except UNDECODABLE as error:
        if is_marked(response):
            return read_token(unmarked(response), drift)
        # Of msgspec's messages only those of a wrong type are sure to repeat nothing of the body.
        reason = f"not what is expected: {error}" if isinstance(error, msgspec.ValidationError) else "not JSON"
        raise UnusableError(f"it holds no token: {reason}") from None
    stated = bytes(found.expires_in)
    life = _seconds(stated)
    if life is None:
        form = "nothing" if stated == b"null" else "an unreadable value"
        drift.note(CREATE_TOKEN.name, {("$.expires_in", "missing"): form})
    return TokenAnswer(
        access_token=found.access_token.strip(),
        expires_in=UNSTATED_LIFE if life is None else life,
        token_type=found.token_type or "Bearer",
    )


def _seconds(stated: bytes) -> float | None:
    """Return a number of seconds, also one that stands in a text; None if it is none."""
    try:
        seconds = float(stated.strip(b' "'))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
