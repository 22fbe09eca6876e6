"""The environment of a journal: for each seller, the one API and the one account that its orders were sent to.

The same reference is a different order in a different environment. Therefore a seller's part of a journal belongs to
the API and the account that it was first used with, and the journal refuses a client of another one: an order created
in staging must not be skipped in production. Addresses are compared as they are written, with port and path, on the
local machine too: a test server that was restarted on another port knows nothing of the orders that its predecessor
created.

A journal of an older version does not record where its orders are. Its first use decides, and the journal logs that
once.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from ..errors import OtherEnvironmentError

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["Environment", "check_same", "environment_of", "log_adopted"]

_PORTS = {"http": 80, "https": 443}
logger: logging.Logger = logging.getLogger("octoffm_async")


class Environment(msgspec.Struct, frozen=True):
    """One API and one account. ``api`` is its address; ``account`` is a hash that shows no credential."""

    api: str
    account: str


def environment_of(config: Config) -> Environment:
    """Return the environment in which a client with these settings creates its orders."""
    given = f"{_address(config.token_url)}\n{config.client_id}"
    return Environment(_address(config.base_url), hashlib.sha256(given.encode()).hexdigest()[:12])


def check_same(journal: str, seller: str, known: Environment, given: Environment) -> None:
    """Check that a seller's part of a journal is used with the environment that it belongs to.

    Raises:
        OtherEnvironmentError: it belongs to another one; the message names both and the cure.
    """
    if given == known:
        return
    whose = f"what the journal {journal} knows of seller {seller} was sent to {known.api}"
    if given.api != known.api:
        what = f"{whose}, and this client calls {given.api}"
        cure = "if this is the same API under a new address, say so once"
        otherwise = "if not, name the journal of this environment"
    else:
        what = f"{whose} with account {known.account}, and this client's account there is {given.account}"
        cure = "if these are new credentials of the same account, say so once"
        otherwise = "if not, name the journal of this account"
    raise OtherEnvironmentError(
        f"{what}: nothing was sent; {cure} (octoffm jobs rebind, or Journal.rebind); {otherwise}",
        known=known.api,
        given=given.api,
    )


def log_adopted(journal: str, seller: str, given: Environment) -> None:
    """Log that a journal without a recorded environment now belongs to this one."""
    logger.warning(
        "the journal %s did not say to which API its orders of seller %s were sent: from now on they belong to %s "
        "(if that is wrong: octoffm jobs rebind, or Journal.rebind)",
        journal,
        seller,
        given.api,
    )


def _address(url: str) -> str:
    """Normalise an address for comparison: no user, no query, no default port of the scheme, no trailing slash."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
