"""Likeness: which spellings an API may keep of a reference, and which references are surely others."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async.bulk.reconciliation.reference_matching import (
    SHORTEST_CUT,
    ReferenceMatcher,
    Size,
    looks_like,
    tidied,
)
from tests.unit.sizes import tries

UNSEEN = "\u200b\u200c\u200d\u200e\u200f\ufeff\u00ad\u2060\u0007"
BLANKS = " \t\u00a0\u2003\u3000\n"
SIGNS = st.sampled_from("aZ09-_/é\u0301\u0131ßŒ\uff2f½\U0001f600" + UNSEEN + BLANKS)
REFERENCES = st.text(SIGNS, max_size=30) | st.text(max_size=30)
TIDYINGS: list[Callable[[str], str]] = [
    str.strip,
    str.upper,
    str.lower,
    str.casefold,
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: "".join(sign for sign in text if sign not in UNSEEN),
    lambda text: " ".join(text.split()),
    lambda text: text.replace("\t", " ").replace("\u00a0", " "),
    lambda text: text.lstrip("0") or text[:1],
]


@given(REFERENCES, st.lists(st.sampled_from(TIDYINGS), max_size=4))
def test_however_it_is_tidied_it_is_still_like_ours(reference: str, tidyings: list[Callable[[str], str]]) -> None:
    kept = reference
    for tidying in tidyings:
        kept = tidying(kept)
    assert looks_like(reference, kept)


@given(st.text(SIGNS, min_size=1, max_size=60), st.sampled_from(TIDYINGS), st.sampled_from([20, 30, 50]))
def test_the_beginning_of_ours_is_like_ours_unless_too_little_is_left(
    reference: str, tidying: Callable[[str], str], column: int
) -> None:
    kept = tidying(reference)[:column]
    assert looks_like(reference, kept) or len(tidied(kept)) < SHORTEST_CUT


@given(REFERENCES)
def test_tidying_twice_changes_no_more(reference: str) -> None:
    assert tidied(tidied(reference)) == tidied(reference)


@given(st.lists(REFERENCES, max_size=6), REFERENCES)
@settings(max_examples=tries(200))
def test_many_are_compared_as_each_alone_is(references: list[str], theirs: str) -> None:
    matcher = ReferenceMatcher(references)
    assert {*matcher.same_as(theirs), *matcher.cut_to(theirs)} == {
        ours for ours in references if looks_like(ours, theirs)
    }
    assert matcher.may_be(theirs) is any(looks_like(ours, theirs) for ours in references)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("O-1", "O-2"),
        ("O-1", "O-11"),
        ("O-11", "O-1"),
        ("100", "1"),
        ("A-01", "A-1"),
        ("SHOP-1234", "SHOP-123"),
        ("SHOP-2026-1", "SHOP-2026-11"),
        ("O-1", "O_1"),
    ],
)
def test_others_are_others(ours: str, theirs: str) -> None:
    assert not looks_like(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs", "inside"),
    [
        ("ORDER-1", "CDS-ORDER-1", True),
        ("ORDER-1", "cds_order- 1/2", True),
        ("ORDER-1", "XORDER-1", True),
        ("ORDER-1", "ORDER-1B", True),
        ("ORDER-1", "ORDER-11", False),
        ("ORDER-1", "X-ORDER-10", False),
        ("123456", "0123456", False),
        ("0042", "CDS-0042", True),
        ("0042", "CDS-10042", False),
        ("ORD-7", "CDS-ORD-7", True),
        ("ORD-7", "ORD-7/1", True),
        ("ORD-7", "CDS-ORD-7/1", True),
        ("ORD-7", "WORD-7", False),
        ("ORD-7", "ORD-7B", False),
        ("42", "CDS-42", False),
        ("ORDER-1", "ORDER-1", False),
        ("Straße-1", "CDS-STRASSE-1", True),
    ],
)
def test_ours_inside_a_longer_reference_is_like_it_unless_it_is_a_piece_of_a_word_or_number(
    ours: str, theirs: str, inside: bool
) -> None:
    references = ReferenceMatcher([ours, "SOMETHING-ELSE-OF-OTHER-LENGTH", "X"])
    assert list(dict.fromkeys(references.inside(theirs))) == ([ours] if inside else [])
    assert references.is_inside(theirs) is inside


def test_a_longer_reference_disproves_a_cut_in_whichever_unit_it_is_measured() -> None:
    smile = "\U0001f600"
    assert Size.of("123456789012").disproves_a_cut_to(Size.of("12345"))
    assert not Size.of("1234567890").disproves_a_cut_to(Size.of("1234567890"))
    assert not Size.of("1234567890").disproves_a_cut_to(Size.of(smile * 5))  # ten units of UTF-16 are both
    assert Size.of(smile) == (1, 2, 4)
    assert Size.of("abc").joined(Size.of(smile)) == (3, 3, 4)


def test_an_api_that_shows_a_reference_as_long_as_ours_has_room_for_ours() -> None:
    assert Size.of("SHOP-2026-20").holds("SHOP-2026-10")
    assert not Size.of("SHOP-2026-9").holds("SHOP-2026-10")
    assert not Size.of("\U0001f600" * 6).holds("SHOP-2026-10")  # twelve units, but six signs
    assert not Size.of("SHOP-2026-2000").holds("SHOP-2026-É")  # it may be kept as two signs
