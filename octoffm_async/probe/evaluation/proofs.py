"""Proofs of an account: that the reference filter of /stocks works, and that orders can be looked up. Pure functions.

An order that a look-up does not find is sent again, and a filter that the API ignores returns the stocks of other
products. So the package takes neither for granted: it stores a proof for each account, and code that relies on one
checks :class:`Proof` first.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec

from ..known import OTHER_PRODUCTS
from ..shapes import merged, rows_at, shape_at

if TYPE_CHECKING:
    from ..records import CallRecord, Probe
    from ..shapes import ValueShape

Verdict = Literal["proven", "refuted", "undecided"]

FORMAT = 1
MOST_ACCOUNTS = 10_000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on one proof, with its reason."""

    verdict: Verdict
    why: str
    tried: bool = True
    """True if the answers that the verdict rests on exist."""

    @property
    def proven(self) -> bool:
        """True if the verdict is ``proven``."""
        return self.verdict == "proven"


NOT_TRIED = Finding(verdict="undecided", why="it was not tried", tried=False)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The proofs of one account, and their time (UTC)."""

    at: str
    stocks_filter: Finding = NOT_TRIED
    """The proof that ``sellerProductReference`` of ``GET /stocks`` selects the stocks of that reference only."""
    orders_lookup: Finding = NOT_TRIED
    """The proof that the rows of ``GET /outbound-shipments`` carry the seller's ``reference``."""


class Proofs(msgspec.Struct, frozen=True, kw_only=True):
    """The proofs of several accounts, by :func:`account_key`."""

    format: int = msgspec.field(default_factory=lambda: FORMAT)
    accounts: dict[str, Proof] = msgspec.field(default_factory=dict[str, Proof])

    def of(self, key: str) -> Proof | None:
        """Return the proof of one account, or ``None``."""
        return self.accounts.get(key)

    def with_(self, key: str, proof: Proof) -> Proofs:
        """Return these proofs and one more; an earlier verdict stays where this probe got no answers."""
        before = self.accounts.get(key)
        if before is not None:
            proof = Proof(
                at=proof.at,
                stocks_filter=_newer(before.stocks_filter, proof.stocks_filter),
                orders_lookup=_newer(before.orders_lookup, proof.orders_lookup),
            )
        return Proofs(accounts={**self.accounts, key: proof})


class UnreadableProofsError(ValueError):
    """The error of a file that is not a file of proofs, or of a newer version; its message says which."""


def account_key(*, base_url: str, client_id: str, seller_id: str) -> str:
    """Return the key of an account: a digest of its base URL and its two ids, never of its secret."""
    identity = "\0".join((base_url.rstrip("/"), client_id, seller_id))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def decode_proofs(content: bytes) -> Proofs:
    """Decode a file of proofs.

    Raises:
        UnreadableProofsError: the content is not a file of proofs, or of a newer version.
    """
    try:
        proofs = msgspec.json.decode(content, type=Proofs)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnreadableProofsError("it is not a file of proofs") from None
    if proofs.format != FORMAT or len(proofs.accounts) > MOST_ACCOUNTS:
        raise UnreadableProofsError("it was written by a newer version")
    return proofs


def encode_proofs(proofs: Proofs) -> bytes:
    """Encode proofs as the content of a file."""
    return msgspec.json.format(msgspec.json.encode(proofs), indent=2) + b"\n"


def proof_of(probe: Probe, *, stocks_seen: int, at: str) -> Proof:
    """Return the proofs of a probe. ``stocks_seen`` is the number of different stocks on its unfiltered pages."""
    return Proof(at=at, stocks_filter=stocks_filter(probe, stocks_seen=stocks_seen), orders_lookup=orders_lookup(probe))


def stocks_filter(probe: Probe, *, stocks_seen: int) -> Finding:
    """Return the verdict on the filter: proven if an impossible reference gives no row, and a real one some of all."""
    impossible, real = probe.named("stocks.impossible"), probe.named("stocks.real")
    if impossible is None or not impossible.good or impossible.rows is None:
        return _untried(f"an impossible reference: {_came(impossible)}")
    if impossible.rows:
        return Finding(verdict="refuted", why="an impossible reference gave rows: the filter is ignored")
    if not stocks_seen:
        return Finding(verdict="undecided", why="the account has no stock, so no row proves nothing")
    if real is None or not real.good or real.rows is None:
        return _untried(f"a real reference: {_came(real)}")
    if OTHER_PRODUCTS in real.notes:
        return Finding(verdict="refuted", why="a real reference gave rows of another product")
    if not real.rows:
        return Finding(verdict="undecided", why="a real reference gave no row either")
    if real.rows >= stocks_seen or real.link not in ("", "no next"):
        return Finding(verdict="undecided", why="a real reference gave as many rows as there are without it")
    return Finding(verdict="proven", why="an impossible reference gave no row, a real one only some")


def orders_lookup(probe: Probe) -> Finding:
    """Return the verdict on the look-up: proven if each row of each list carries a readable reference."""
    lists = [one for name in ("outbound", "outbound.unlimited") if (one := probe.named(name)) is not None]
    good = [one for one in lists if one.good]
    if not good:
        return _untried(f"the list of orders: {_came(lists[-1] if lists else None)}")
    rows = merged([part.items for one in good if (part := _rows_of(one)) is not None and part.items is not None])
    if not rows.seen:
        return Finding(verdict="undecided", why="there is no order to look at")
    found = rows.field("reference")
    if found is None:
        return Finding(verdict="refuted", why="the rows carry no reference under this name")
    _, shape = found
    if shape.seen < rows.seen or not set(shape.types) <= {"string", "integer"} or "empty" in shape.forms:
        return Finding(verdict="undecided", why="some rows carry no readable reference")
    return Finding(verdict="proven", why="each row carries a readable reference")


def _rows_of(kept: CallRecord) -> ValueShape | None:
    where = None if kept.shape is None else rows_at(kept.shape)
    return None if kept.shape is None or where is None else shape_at(kept.shape, where)


def _came(kept: CallRecord | None) -> str:
    return "it was not reached" if kept is None else kept.came or "it gave no list"


def _untried(why: str) -> Finding:
    return Finding(verdict="undecided", why=why, tried=False)


def _newer(before: Finding, now: Finding) -> Finding:
    return now if now.tried or not before.tried else before
