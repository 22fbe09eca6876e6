"""Odd references: which ones an API may keep in another form, and why."""

from __future__ import annotations

import pytest

from octoffm_async.contract.requests.checks import reference_oddity


@pytest.mark.parametrize("plain", ["O-1", "0001", "a b", "CAFÉ-1", "注文-1", "x" * 50, "A/B:C", "🛒-1"])
def test_a_plain_reference_is_not_odd(plain: str) -> None:
    assert reference_oddity(plain) == ""


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (" O-1", "has leading or trailing spaces"),
        ("O-1 ", "has leading or trailing spaces"),
        ("O-1\t", "has leading or trailing spaces"),
        ("CAF\u00c9 ", "has leading or trailing spaces"),
        ("O\t1", "has invisible characters (U+0009)"),
        ("O-1\u200b", "has invisible characters (U+200B)"),
        ("\u202eO-1", "has invisible characters (U+202E)"),
        ("\ufeffO-1", "has invisible characters (U+FEFF)"),
        ("O\0-1", "has invisible characters (U+0000)"),
        ("O\u00a01", "has spaces that are not single plain spaces"),
        ("O  1", "has spaces that are not single plain spaces"),
        ("Cafe\u0301-1", "is not in the composed form (NFC)"),
        ("\uff2f-1", "has characters with a simpler form (NFKC)"),
        ("x" * 51, "has 51 characters, more than 50"),
        (" " + "x" * 50, "has leading or trailing spaces, has 51 characters, more than 50"),
    ],
)
def test_an_odd_one_is_reported_with_the_reason(reference: str, reason: str) -> None:
    assert reference_oddity(reference) == reason
