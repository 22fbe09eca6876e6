"""What an account has proven: that the reference filter of /stocks works, and that orders can be looked up. Pure.

"It is not there" leads to sending again, and a filter that is ignored gives the stocks of other products. So neither is
taken for granted: a proof is kept for each account, and whoever relies on it asks :class:`Proof` first.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec

from .known import OTHER_PRODUCTS
from .shapes import merged, rows_at, shape_at

if TYPE_CHECKING:
    from .records import Kept, Probe
    from .shapes import ValueShape

Verdict = Literal["proven", "refuted", "undecided"]

FORMAT = 1
MOST_ACCOUNTS = 10_000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Whether something is proven, and why (not)."""

    verdict: Verdict
    why: str
    tried: bool = True
    """Whether the answers that it rests on came at all."""

    @property
    def proven(self) -> bool:
        """Whether it may be relied on."""
        return self.verdict == "proven"


NOT_TRIED = Finding(verdict="undecided", why="it was not tried", tried=False)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What one account has proven, and when (UTC)."""

    at: str
    stocks_filter: Finding = NOT_TRIED
    """``sellerProductReference`` of ``GET /stocks`` gives the stocks of that reference and of no other."""
    orders_lookup: Finding = NOT_TRIED
    """The rows of ``GET /outbound-shipments`` carry the seller's ``reference``."""


class Proofs(msgspec.Struct, frozen=True, kw_only=True):
    """The proofs of several accounts, by :func:`account_key`."""

    format: int = msgspec.field(default_factory=lambda: FORMAT)
    accounts: dict[str, Proof] = msgspec.field(default_factory=dict[str, Proof])

    def of(self, key: str) -> Proof | None:
        """The proof of one account."""
        return self.accounts.get(key)

    def with_(self, key: str, proof: Proof) -> Proofs:
        """These proofs and one more. What was found before stays where the answers did not come this time."""
        before = self.accounts.get(key)
        if before is not None:
            proof = Proof(
                at=proof.at,
                stocks_filter=_newer(before.stocks_filter, proof.stocks_filter),
                orders_lookup=_newer(before.orders_lookup, proof.orders_lookup),
            )
        return Proofs(accounts={**self.accounts, key: proof})


class UnreadableProofsError(ValueError):
    """A file of proofs is none, or of a newer version; the message says why."""


def account_key(*, base_url: str, client_id: str, seller_id: str) -> str:
    """The key of an account: a digest of its address and its two ids, never of its secret."""
    told = "\0".join((base_url.rstrip("/"), client_id, seller_id))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def decode_proofs(content: bytes) -> Proofs:
    """Read a file of proofs.

    Raises:
        UnreadableProofsError: it is none, or of a newer version.
    """
    try:
        proofs = msgspec.json.decode(content, type=Proofs)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UnreadableProofsError("it is not a file of proofs") from None
    if proofs.format != FORMAT or len(proofs.accounts) > MOST_ACCOUNTS:
        raise UnreadableProofsError("it was written by a newer version")
    return proofs


def encode_proofs(proofs: Proofs) -> bytes:
    """The content of a file of proofs."""
    return msgspec.json.format(msgspec.json.encode(proofs), indent=2) + b"\n"


def proof_of(probe: Probe, *, stocks_seen: int, at: str) -> Proof:
    """What a probe has proven. ``stocks_seen`` is how many different stocks its unfiltered pages showed."""
    return Proof(at=at, stocks_filter=stocks_filter(probe, stocks_seen=stocks_seen), orders_lookup=orders_lookup(probe))


def stocks_filter(probe: Probe, *, stocks_seen: int) -> Finding:
    """Whether the filter is proven: an impossible reference gives no row, a real one some, and fewer than there are."""
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
    """Whether the look-up is proven: each row of each list that came carries a reference that can be read."""
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


def _rows_of(kept: Kept) -> ValueShape | None:
    where = None if kept.shape is None else rows_at(kept.shape)
    return None if kept.shape is None or where is None else shape_at(kept.shape, where)


def _came(kept: Kept | None) -> str:
    return "it was not reached" if kept is None else kept.came or "it gave no list"


def _untried(why: str) -> Finding:
    return Finding(verdict="undecided", why=why, tried=False)


def _newer(before: Finding, now: Finding) -> Finding:
    return now if now.tried or not before.tried else before
