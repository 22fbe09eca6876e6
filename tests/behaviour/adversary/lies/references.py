"""Lies about references: rows that show an order under another name, or under none."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from ..server import Order
from .lie import Lie, lie

Row = dict[str, Any]


def _kept(change: Callable[[str], Any]) -> Callable[..., Row]:
    """Return a ``row`` hook that shows every reference changed."""

    def row(_: object, row: Row, __: Order) -> Row:
        return row | {"reference": change(row["reference"])} if isinstance(row.get("reference"), str) else row

    return row


def _of_lost(change: Callable[[Row], Row]) -> Callable[..., Row]:
    """Return a ``row`` hook that changes the rows of orders whose answer was lost, and no others."""

    def row(_: object, row: Row, order: Order) -> Row:
        return change(row) if order.lost and isinstance(row.get("reference"), str) else row

    return row


def _without(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "reference"}


def _composed(form: Any) -> Callable[..., Row]:
    return _kept(lambda text: unicodedata.normalize(form, text))


def _number(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


LIES: list[Lie] = [
    lie("trimmed", "references come back without blanks around them", "told", row=_kept(str.strip)),
    lie("upper", "references come back in capitals", "told", row=_kept(str.upper)),
    lie("lower", "references come back in small letters", "told", row=_kept(str.lower)),
    lie("nfc", "references come back composed (NFC)", "told", row=_composed("NFC")),
    lie("nfd", "references come back decomposed (NFD)", "told", row=_composed("NFD")),
    lie("nfkc", "references come back in compatibility form (NFKC)", "told", row=_composed("NFKC")),
    lie("no_zeros", "leading zeros of references are dropped", "told", row=_kept(lambda text: text.lstrip("0"))),
    lie("as_numbers", "references of digits come back as JSON numbers", "told", row=_kept(_number)),
    lie("cut_to_20", "references are cut off behind 20 signs", "told", row=_kept(lambda text: text[:20])),
    lie("no_unseen", "signs without width are dropped", "told", row=_kept(lambda text: text.replace("\u200b", ""))),
    lie("one_blank", "blanks inside references are joined", "told", row=_kept(lambda text: " ".join(text.split()))),
    lie("null_references", "no row shows its reference (null)", "told", row=_kept(lambda _: None)),
    lie("empty_references", "no row shows its reference (empty text)", "told", row=_kept(lambda _: "")),
    lie("no_references", "rows have no such field", "told", row=lambda _, row, __: _without(row)),
    lie(
        "other_field",
        "references stand under another name",
        "told",
        row=lambda _, row, __: _without(row) | {"sellerReference": row.get("reference")},
    ),
    lie("prefixed", "all references come back behind a prefix", "told", row=_kept(lambda text: f"CDS-{text}")),
    lie("suffixed", "all references come back before a suffix", "told", row=_kept(lambda text: f"{text}/1")),
    lie(
        "renamed",
        "all references are replaced by others",
        "told",
        row=lambda _, row, order: row | {"reference": f"WEB{order.number:09d}"},
    ),
    lie(
        "null_of_lost",
        "only orders whose answer was lost show no reference",
        "told",
        row=_of_lost(lambda row: row | {"reference": None}),
    ),
    lie("no_field_of_lost", "only orders whose answer was lost lack the field", "told", row=_of_lost(_without)),
    lie(
        "prefixed_of_lost",
        "only orders whose answer was lost come back behind a prefix",
        "told",
        row=_of_lost(lambda row: row | {"reference": f"CDS-{row['reference']}"}),
    ),
    lie(
        "upper_of_lost",
        "only orders whose answer was lost come back in capitals",
        "told",
        row=_of_lost(lambda row: row | {"reference": row["reference"].upper()}),
    ),
]
