"""What every API call must pass before its handler: token, seller, acceptable type, limit, body type."""

from collections.abc import Collection, Mapping
from typing import Any

from octoffm_async.contract.operations import Operation, Shape

from .quota import RequestLimits, throttled
from .replies import PDF, ProblemError
from .sellers import LIST_SELLERS
from .tokens import Tokens
from .world import Account, World

_JSON = ("*/*", "application/*", "application/json")
_DOCUMENT = (*_JSON, PDF)


class Gate:
    """The checks that are the same for every operation."""

    def __init__(self, *, world: World, tokens: Tokens, limits: RequestLimits) -> None:
        self._world = world
        self._tokens = tokens
        self._limits = limits

    def admit(self, headers: Mapping[str, str], operation: Operation[Any], now: float) -> Account:
        """The account that the call acts for, or the problem that stops it. The limit, last, counts what passes."""
        if not self._tokens.valid(bearer(headers)):
            raise ProblemError(401, "The bearer token is missing, unknown or expired.")
        seller = self._world.first_seller if operation is LIST_SELLERS else headers.get("SellerId")
        if not seller:
            raise ProblemError(
                400, "The SellerId header is required.", errors={"SellerId": ["The header is required."]}
            )
        account = self._world.accounts.get(seller)
        if account is None:
            raise ProblemError(403, f"This client may not act for seller '{seller}'.")
        acceptable = _DOCUMENT if operation.shape is Shape.DOCUMENT else _JSON
        if not accepts(headers.get("Accept"), acceptable):
            raise ProblemError(406, f"Only {' or '.join(acceptable[2:])} can be answered.")
        if wait := self._limits.admit(seller, operation.group, now):
            raise throttled(wait, self._limits.retry_after)
        return account


def bearer(headers: Mapping[str, str]) -> str:
    """The bearer token of a request, or nothing."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token if scheme.casefold() == "bearer" else ""


def accepts_json(accept: str | None) -> bool:
    """Whether a client takes JSON. No ``Accept`` means anything."""
    return accepts(accept, _JSON)


def accepts(accept: str | None, acceptable: Collection[str]) -> bool:
    """Whether one of the ``acceptable`` types is asked for. No ``Accept`` means anything."""
    return accept is None or any(part.partition(";")[0].strip().casefold() in acceptable for part in accept.split(","))
