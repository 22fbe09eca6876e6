"""Proofs: kept by account, read back, and never weakened by a probe that did not get that far."""

from __future__ import annotations

import pytest

from octoffm_async.probe.evaluation.proofs import (
    NOT_TRIED,
    Finding,
    Proof,
    Proofs,
    UnreadableProofsError,
    account_key,
    decode_proofs,
    encode_proofs,
)

PROVEN = Finding(verdict="proven", why="it works")
REFUTED = Finding(verdict="refuted", why="it does not")
UNDECIDED = Finding(verdict="undecided", why="who knows")


def test_proofs_are_read_back() -> None:
    proofs = Proofs().with_("key", Proof(at="now", stocks_filter=PROVEN))
    assert decode_proofs(encode_proofs(proofs)) == proofs
    found = proofs.of("key")
    assert found is not None
    assert found.stocks_filter.proven
    assert not found.orders_lookup.proven
    assert proofs.of("another") is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 2}', b'{"accounts": {"a": {}}}', b"\xff", b"{" * 9999])
def test_what_is_no_file_of_proofs_is_told(content: bytes) -> None:
    with pytest.raises(UnreadableProofsError):
        decode_proofs(content)


@pytest.mark.parametrize(
    ("before", "now", "stays"),
    [
        (PROVEN, NOT_TRIED, PROVEN),
        (PROVEN, UNDECIDED, UNDECIDED),
        (PROVEN, REFUTED, REFUTED),
        (REFUTED, PROVEN, PROVEN),
        (NOT_TRIED, NOT_TRIED, NOT_TRIED),
    ],
)
def test_a_finding_stays_until_there_is_an_answer_again(before: Finding, now: Finding, stays: Finding) -> None:
    proofs = Proofs().with_("key", Proof(at="1", orders_lookup=before)).with_("key", Proof(at="2", orders_lookup=now))
    found = proofs.of("key")
    assert found is not None
    assert (found.at, found.orders_lookup) == ("2", stays)


def test_an_account_is_its_address_and_its_two_ids() -> None:
    key = account_key(base_url="https://a/b", client_id="c", seller_id="d")
    assert key == account_key(base_url="https://a/b/", client_id="c", seller_id="d")
    others = [
        account_key(base_url="https://a/x", client_id="c", seller_id="d"),
        account_key(base_url="https://a/b", client_id="x", seller_id="d"),
        account_key(base_url="https://a/b", client_id="c", seller_id="x"),
        account_key(base_url="https://a/b", client_id="cd", seller_id=""),
    ]
    assert len({key, *others}) == 5
    assert key != "c"
    assert len(key) == 32
