"""The checks of every API request before its handler: token, seller, acceptable type and rate limit."""

from collections.abc import Collection, Mapping
from typing import Any

from octoffm_async.contract.operations import Operation, Shape

from ..handlers.sellers import LIST_SELLERS
from ..world.world import SellerAccount, World
from .rate_limit import RequestLimits, rate_limit_problem
from .responses import PDF, ProblemError
from .tokens import Tokens

_JSON = ("*/*", "application/*", "application/json")
_DOCUMENT = (*_JSON, PDF)


class RequestChecks:
    """Checks that are the same for every operation."""

    def __init__(self, *, world: World, tokens: Tokens, limits: RequestLimits) -> None:
        self._world = world
        self._tokens = tokens
        self._limits = limits

    def admit(self, headers: Mapping[str, str], operation: Operation[Any], now: float) -> SellerAccount:
        """Return the account of a request, or raise the problem that stops it.

        The rate limit comes last, so that it counts only requests that pass the other checks.
        """
        if not self._tokens.valid(bearer_token(headers)):
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
            raise rate_limit_problem(wait, self._limits.retry_after)
        return account


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the bearer token of a request, or an empty text."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token if scheme.casefold() == "bearer" else ""


def accepts(accept: str | None, acceptable: Collection[str]) -> bool:
    """Return True if ``accept`` names one of the ``acceptable`` types, or is absent."""
    return accept is None or any(part.partition(";")[0].strip().casefold() in acceptable for part in accept.split(","))
