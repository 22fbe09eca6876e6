"""Gathering rows: what is found, what is in doubt, and which rows are other items of ours. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from octoffm_async.bulk.reconciliation import lookup_findings
from octoffm_async.bulk.reconciliation.lookup_findings import NO_ROWS, Like, LookupFindings, RemoteMatch, RowCollector
from octoffm_async.journal import Entry, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def gathered(references: set[str], *rows: tuple[object, str | None]) -> LookupFindings:
    sieve = RowCollector(references, what="orders")
    for reference, key in rows:
        sieve.add(reference, RemoteMatch(key))
    return sieve.findings()._replace(rows=NO_ROWS)


def entry(key: str, state: State, remote_id: str | None = None) -> Entry:
    return Entry(key=key, state=state, payload_hash=b"", run="R", changed_at=NOW, sent_at=NOW, remote_id=remote_id)


def test_what_is_equal_is_a_match_and_leaves_no_doubt() -> None:
    assert gathered({"A", "B"}, ("A", "S-1"), ("A", "S-1"), ("C", "S-2")) == LookupFindings({"A": [RemoteMatch("S-1")]})


def test_what_is_like_a_requested_one_leaves_a_doubt_of_that_one_alone() -> None:
    found = gathered({"o-1", "o-2"}, (" O-1", "S-1"), ("X", "S-2"))
    assert found.matches == {}
    assert found.doubt_of("o-1").startswith("looks like ' O-1', an order of S-1")
    assert found.doubt_of("o-2") == ""


def test_what_has_a_match_needs_nothing_that_looks_like_it() -> None:
    assert gathered({"o-1"}, ("O-1", "S-1"), ("o-1", "S-2")) == LookupFindings({"o-1": [RemoteMatch("S-2")]})


def test_a_cut_leaves_a_doubt_unless_a_longer_reference_is_shown() -> None:
    ours, cut = "SHOP-2026-11-30-000000001", "SHOP-2026-11-30-0000"
    assert gathered({ours}, (cut, "S-1")).doubt_of(ours).startswith(f"looks like {cut!r}")
    assert gathered({ours}, (cut, "S-1"), ("x" * 24, "S-2")).doubt_of(ours) == ""
    assert gathered({cut + "é"}, (cut, "S-1"), ("x" * 21, "S-2")).doubt_of(cut + "é") != ""
    assert gathered({cut + "2"}, (cut, "S-1"), ("x" * 21, "S-2")).doubt_of(cut + "2") == ""  # there was room for it


@pytest.mark.parametrize(
    ("known", "explained"),
    [
        (None, False),
        (entry("O-1", State.CREATED, "S-1"), True),
        (entry("O-1", State.CREATED, "S-9"), False),
        (entry("O-1", State.CREATED), True),
        (entry("O-1", State.REFUSED, "S-1"), True),
        (entry("O-1", State.REFUSED), False),
        (entry("O-1", State.SENT), True),
        (entry("O-1", State.UNKNOWN), True),
        (entry("O-1", State.PENDING), False),
        (entry("O-1", State.FAILED), False),
    ],
)
def test_a_row_of_another_item_of_ours_is_that_ones(known: Entry | None, *, explained: bool) -> None:
    found = gathered({"o-1"}, ("O-1", "S-1"))
    assert found.others() == {"O-1"}
    assert (found.without({"O-1": known}).doubt_of("o-1") == "") is explained


def test_a_second_row_of_one_reference_may_be_the_other_one() -> None:
    found = gathered({"o-1", "O-1"}, ("O-1", "S-1"), ("O-1", "S-2"))
    left = found.without({"O-1": entry("O-1", State.UNKNOWN)})
    assert left.matches == {"O-1": [RemoteMatch("S-1"), RemoteMatch("S-2")]}
    assert "an order of S-2" in left.doubt_of("o-1")
    one = gathered({"o-1", "O-1"}, ("O-1", "S-1"))
    assert (one.matches, one.alike) == ({"O-1": [RemoteMatch("S-1")]}, {})


def test_a_product_has_no_id_to_report() -> None:
    found = gathered({"p-1"}, ("P-1", None))
    assert found.alike == {"p-1": [Like("P-1", None)]}
    assert found.doubt_of("p-1").startswith("looks like 'P-1', which exists")
    assert found.without({"P-1": entry("P-1", State.CREATED)}).doubt_of("p-1") == ""


def test_a_reference_of_unseen_signs_cannot_be_read() -> None:
    assert "cannot be read (2)" in gathered({"A"}, ("\u200b", "S-1"), (None, "S-2"), (None, "S-2")).doubt


def test_more_that_looks_alike_than_can_be_kept_is_a_doubt_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_findings, "ALIKE_MOST", 1)
    found = gathered({"o-1", "b"}, ("O-1", "S-1"), ("O-1", "S-2"))
    assert "too many orders" in found.doubt_of("b")
