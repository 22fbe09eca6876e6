"""Advice for the most likely errors: their cause and cure, as one table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..errors import (
    AnsweredError,
    AnswerTimeoutError,
    AuthenticationError,
    BadRowError,
    CallError,
    CircuitOpenError,
    ConfigurationError,
    ConflictError,
    ConnectError,
    ConnectionLostError,
    CredentialsRefusedError,
    DeadlineExceededError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    StatusUnreachableError,
    TLSError,
    UnprocessableError,
    UnusableAnswerError,
    ValidationError,
    is_outcome_unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_WEB_PAGE = re.compile(r"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_OF_TIME = re.compile(r"expired|not yet valid|not active|\b(iat|nbf|exp)\b|clock|in the future", re.IGNORECASE)
_COUNTRY = re.compile(r"storage ?country|not activated", re.IGNORECASE)
_NOT_REGISTERED = re.compile(r"unknown ?product|product.*not (registered|found)", re.IGNORECASE | re.DOTALL)
_SHORT = re.compile(r"insufficient|not enough|out of stock", re.IGNORECASE)
_NOT_SHIPPED = re.compile(r"what was shipped|in this shipment|were shipped", re.IGNORECASE)
_GTIN = re.compile(r"gtin", re.IGNORECASE)


class Advice(NamedTuple):
    """The cause and cure of the errors that ``fits`` accepts."""

    name: str
    fits: Callable[[BaseException], bool]
    text: str


def _says(error: BaseException, pattern: re.Pattern[str]) -> bool:
    more = error.body if isinstance(error, AnsweredError) else ""
    return pattern.search(f"{error}\n{more}") is not None


def _is(*kinds: type[BaseException], says: re.Pattern[str] | None = None) -> Callable[[BaseException], bool]:
    return lambda error: isinstance(error, kinds) and (says is None or _says(error, says))


def _is_web_page(error: BaseException) -> bool:
    return isinstance(error, AnsweredError) and (
        _WEB_PAGE.match(error.body) is not None or "text/html" in error.message
    )


def _wants_proxy_password(error: BaseException) -> bool:
    status = error.proxy_status if isinstance(error, ConnectError) else getattr(error, "status", 0)
    return status == 407


def _proxy_forbids(error: BaseException) -> bool:
    return isinstance(error, ConnectError) and error.proxy_status > 0 and not error.retryable


def _proxy_cannot_connect(error: BaseException) -> bool:
    return isinstance(error, ConnectError) and error.proxy_status > 0


def _is_of(
    kind: type[CallError], *operations: str, says: re.Pattern[str] | None = None
) -> Callable[[BaseException], bool]:
    return lambda error: (
        isinstance(error, kind) and error.operation in operations and (says is None or _says(error, says))
    )


ADVICE: tuple[Advice, ...] = (
    Advice(
        "outcome unknown",
        is_outcome_unknown,
        "the answer was lost, so the API may have carried the call out. Look before you repeat it: the list commands "
        "show what exists (octoffm orders list --updated-since 1h, or inbound, or returns)",
    ),
    Advice(
        "setting missing",
        _is(ConfigurationError, says=re.compile("not set in the environment")),
        'export them as Octopia gave them to you, or put them into a file and name it with --env-file; "octoffm '
        'sandbox" prints some to try without an account',
    ),
    Advice(
        "clock wrong",
        _is(TLSError, AuthenticationError, says=_OF_TIME),
        "a token or a certificate was refused because of the time: compare this machine's clock with the real time "
        '(date -u) and correct it; "octoffm auth check" shows the difference',
    ),
    Advice(
        "wrong secret",
        _is(CredentialsRefusedError),
        "Octopia does not know, or no longer knows, this client id and secret: compare OCTOFFM_CLIENT_ID and "
        "OCTOFFM_CLIENT_SECRET with what Octopia gave you, without quotes and blanks around them",
    ),
    Advice(
        "token refused",
        _is(AuthenticationError),
        "the token is new and was refused all the same: OCTOFFM_TOKEN_URL and OCTOFFM_BASE_URL may belong to two "
        "different environments",
    ),
    Advice(
        "proxy asks for a password",
        _wants_proxy_password,
        "a proxy of your network asks for a password: name the proxy with its user in HTTPS_PROXY and say --proxies",
    ),
    Advice(
        "proxy forbids",
        _proxy_forbids,
        "nothing was sent: the proxy in HTTPS_PROXY does not allow connections to this address. Have the hosts in "
        "OCTOFFM_BASE_URL and OCTOFFM_TOKEN_URL allowed there, or leave --proxies out",
    ),
    Advice(
        "proxy cannot connect",
        _proxy_cannot_connect,
        "nothing was sent: the proxy in HTTPS_PROXY did not reach the API. Try again in a few minutes; if that does "
        "not help, ask the proxy's administrator",
    ),
    Advice(
        "proxy in between",
        _is_web_page,
        "the answer is a web page, where the API answers JSON: a proxy, a firewall or a login page of your network may "
        "be in between, or OCTOFFM_BASE_URL is not the API's address. Try from another network, or with --proxies",
    ),
    Advice(
        "certificate",
        _is(TLSError),
        "this machine does not trust the certificate: if your company's proxy inspects TLS, name its certificate in "
        "OCTOFFM_CA_FILE; do not continue without knowing who answers",
    ),
    Advice(
        "no connection",
        _is(ConnectError),
        "nothing was sent: is this machine online, is the host's name in OCTOFFM_BASE_URL and OCTOFFM_TOKEN_URL right, "
        "does a firewall let it through? If your network needs a proxy, set HTTPS_PROXY and say --proxies",
    ),
    Advice(
        "country not activated",
        _is(PermissionDeniedError, UnprocessableError, says=_COUNTRY),
        "storage is in FR, ES and UK, and a seller must be activated for each: ask Octopia to activate the country",
    ),
    Advice(
        "seller not linked",
        _is(PermissionDeniedError),
        "the credentials are valid, but not for this seller or service: check OCTOFFM_SELLER_ID or --seller, and ask "
        'Octopia to link the seller to your client id; "octoffm auth check" shows what can be reached',
    ),
    Advice(
        "too late to cancel",
        _is_of(ConflictError, "outbound.request_cancellation"),
        "an order can be cancelled only before it is Shipped, and only once: see its status (octoffm orders show ID). "
        "If the customer sends it back: octoffm returns create",
    ),
    Advice(
        "document too early",
        _is_of(NotReadyError, "inbound.delivery_note"),
        "a delivery note exists from Accepted on: see the status with octoffm inbound show ID, and ask again",
    ),
    Advice(
        "no label",
        _is_of(NotReadyError, "returns.label"),
        "only returns to FR have a label, a few moments after they are created (parcels from ES come by mail): see "
        "octoffm returns show ID",
    ),
    Advice(
        "unknown id",
        _is(NotFoundError),
        "this seller has nothing under this id: is it Octopia's id (not your reference), and is --seller right? The "
        "list commands show the ids; orders are found by your reference with --reference",
    ),
    Advice(
        "product not registered",
        _is(UnprocessableError, StatusUnreachableError, says=_NOT_REGISTERED),
        "the warehouse does not know one of the products: see octoffm products list, and register what is "
        "missing with octoffm products create, or add-reference",
    ),
    Advice(
        "out of stock",
        _is(UnprocessableError, StatusUnreachableError, says=_SHORT),
        "the warehouse does not have enough of a product: see octoffm stocks list; send a refused order again, under a "
        "new reference, when the goods are there",
    ),
    Advice(
        "not what was shipped",
        _is_of(UnprocessableError, "returns.create", says=_NOT_SHIPPED),
        "a return names products of one order, and no more of each than were shipped: see the order's lines with "
        "octoffm orders show ID",
    ),
    Advice(
        "order not found",
        _is_of(UnprocessableError, "outbound.request_cancellation", "returns.create"),
        "Octopia may not know this order: is it Octopia's id, and is --seller right? See octoffm orders list",
    ),
    Advice(
        "wrong gtin",
        _is(ValidationError, says=_GTIN),
        "a GTIN has 8, 12, 13 or 14 digits, and the last one is computed from the others: compare it with the barcode; "
        "spreadsheets drop its leading zeros and turn it into a number like 3,25E+12",
    ),
    Advice(
        "filters exclude each other",
        _is(ValidationError, says=re.compile("cannot be combined with delivery_country")),
        "the API accepts --delivery-country only without other filters: leave it out, or the others",
    ),
    Advice(
        "too many calls",
        _is(RateLimitedError),
        "another program with the same account may use up the API's limit of this seller: try again later, or with a "
        "longer --timeout",
    ),
    Advice(
        "api down",
        _is(CircuitOpenError, ServerError),
        "the problem is on the API's side, and the client has retried the call already: try again in a few minutes",
    ),
    Advice(
        "too slow",
        _is(AnswerTimeoutError, DeadlineExceededError, OverloadedError, ConnectionLostError),
        "the API or the network is slow: try again, or give it more time with --timeout",
    ),
    Advice(
        "row without identity",
        _is(BadRowError),
        "rows are counted from 0. The API may have another name for the id: octoffm -v shows the call, and a contract "
        'file (--contract) gives the name; a program skips such rows with on_bad_row="skip"',
    ),
    Advice(
        "answer not understood",
        _is(UnusableAnswerError),
        "the API's answer differs from what this version expects: octoffm -v shows the call; octoffm contract check "
        "compares the expectation with Octopia's own description",
    ),
)


def advice_for(error: BaseException) -> str:
    """Return the cure of an error; empty if its message says everything."""
    return next((advice.text for advice in ADVICE if advice.fits(error)), "")
