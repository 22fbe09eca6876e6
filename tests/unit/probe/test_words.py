"""Which names and words are kept, and which may be somebody's data."""

from __future__ import annotations

import pytest

from octoffm_async.probe.words import ENUM_NAMES, KNOWN_WORDS, Censor, enum_words_in, is_header_name


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("firstName", True),
        ("address1", True),
        ("_id", True),
        ("approval_status", True),
        ("SellerId", True),
        ("sku-a", True),
        ("SKU-00012", False),
        ("a1b2c3d4-0000-4000-8000-000000000000", False),
        ("jeanne@shop.example", False),
        ("1 rue", False),
        ("Übergröße", False),
        ("", False),
        ("[0].gtin", False),
        ("a" * 61, False),
        ("the-secret", False),
        ("seen_as_value", False),
        ("Available", True),
    ],
)
def test_a_name_is_kept_if_it_is_a_name_and_nothing_else(name: str, is_kept: bool) -> None:
    censor = Censor({"the-secret"})
    censor.remember({"items": [{"keys": ["seen_as_value", "Available"]}]})
    assert censor.name(name) == (name if is_kept else None)


@pytest.mark.parametrize(
    ("path", "word", "is_kept"),
    [
        (("status",), "Shipped", True),
        (("Status",), "OnTheWay", True),
        (("status",), "IN_PREPARATION", True),
        (("status",), "shipped", True),
        (("status",), "a comment of a customer", False),
        (("status",), "Order7", False),
        (("status",), "jeanne", False),
        (("approvalStatus",), "Approved", True),
        (("approvalStatus",), "APPROVED", False),
        (("firstName",), "Jeanne", False),
        (("comment",), "Broken", False),
        (("deliveryAddress", "state"), "California", False),
        (("lines", "customer", "type"), "Private", False),
        (("stateOrRegion",), "Bavaria", False),
        (("storageCountry",), "FR", True),
        (("storageCountry",), "France", False),
        (("countryCode",), "FR", False),
        (("status",), "A" + "b" * 60, False),
        (("status",), "Hidden", False),
        ((), "Shipped", False),
    ],
)
def test_a_word_is_kept_if_it_is_of_an_enum(path: tuple[str, ...], word: str, is_kept: bool) -> None:
    assert Censor({"Hidden"}).word(word, path) == (word if is_kept else None)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "'Nonsense' is not one of Available, Allocated, Blocked or OnTheWay.",
            ["Available", "Allocated", "Blocked", "OnTheWay"],
        ),
        ('allowed: "Asc"|"Desc"', ["Asc", "Desc"]),
        ("Available; Removal", ["Available", "Removal"]),
        ("Jeanne, Dupont and Paris", []),
        ("The field Sort is not valid", []),
        ("Available", []),
    ],
)
def test_words_that_a_refusal_lists_are_found(message: str, words: list[str]) -> None:
    assert enum_words_in(message) == words


def test_a_long_message_costs_no_time() -> None:
    assert len(enum_words_in("Available, Blocked, " * 100_000)) == 2
    assert enum_words_in("Aa" * 1_000_000) == []


def test_names_of_headers_are_kept_unless_they_hold_data() -> None:
    assert is_header_name("X-RateLimit-Limit")
    assert not is_header_name("X-Order-123456")
    assert not is_header_name("X-a b")


def test_the_enums_of_the_contract_are_known() -> None:
    assert {"status", "state", "deliverymode", "sort", "recommendedreturnreason"} <= ENUM_NAMES
    assert {"shipped", "inpreparation", "logisticoperations", "asc"} <= KNOWN_WORDS
    assert "reference" not in ENUM_NAMES
