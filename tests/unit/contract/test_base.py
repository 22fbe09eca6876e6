"""Open enums: what is known, what is not, and how much of the latter is remembered."""

import copy
import pickle

import msgspec
import pytest

from octoffm_async.contract.base import _REMEMBERED, OpenEnum, take_unknown_values
from octoffm_async.contract.inbound import InboundStatus
from octoffm_async.contract.outbound import CancellationStatus, DeliveryMode, OutboundStatus, ShipmentState
from octoffm_async.contract.products import ProductCondition, RegistrationStatus
from octoffm_async.contract.stocks import ProductState, QuantityType, SortOrder

ENUMS = (
    DeliveryMode,
    OutboundStatus,
    ProductCondition,
    ProductState,
    QuantityType,
    RegistrationStatus,
    ShipmentState,
    SortOrder,
)


def a_fresh_enum() -> type[OpenEnum]:
    """One of its own, because an enum remembers unknown values for the life of the process."""

    class Colour(OpenEnum):
        RED = "Red"
        DARK_BLUE = "DarkBlue"

    return Colour


@pytest.mark.parametrize("enum", ENUMS)
@pytest.mark.parametrize("change", [str, str.lower, str.upper, str.swapcase])
def test_every_value_is_known_in_any_case(enum, change) -> None:
    for member in enum:
        assert enum(change(member.value)) is member
        assert msgspec.json.decode(msgspec.json.encode(change(member.value)), type=enum) is member
        assert member.known


@pytest.mark.parametrize("text", ["Green", "", " ", "reddish", "RÉD", "0", "x" * 10_000, "a\nb", "null"])
def test_an_unknown_value_keeps_its_text_and_goes_back_out_unchanged(text) -> None:
    enum = a_fresh_enum()
    value = msgspec.json.decode(msgspec.json.encode(text), type=enum)
    assert isinstance(value, enum)
    assert value == text
    assert str(value) == value.value == text
    assert not value.known
    assert msgspec.json.decode(msgspec.json.encode(value)) == text
    assert msgspec.json.encode(value) == msgspec.json.encode(text)


def test_an_unknown_value_is_no_member() -> None:
    enum = a_fresh_enum()
    enum("Green")
    assert [member.value for member in enum] == ["Red", "DarkBlue"]


def test_equal_unknown_values_are_equal_and_hash_alike() -> None:
    enum = a_fresh_enum()
    assert enum("Green") == enum("Green")
    assert len({enum("Green"), enum("Green"), "Green"}) == 1


def test_unknown_values_survive_copies_and_pickles() -> None:
    value = OutboundStatus("Teleported")
    for same in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        assert same == value
        assert isinstance(same, OutboundStatus)
        assert not same.known


@pytest.mark.parametrize("value", [1, 1.5, None, True, [], b"Red"])
def test_only_text_can_be_an_open_value(value) -> None:
    with pytest.raises(ValueError, match="Colour"):
        a_fresh_enum()(value)


@pytest.mark.parametrize("wire", [b"1", b"null", b"true", b"[]", b"{}"])
def test_only_text_is_decoded(wire) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(wire, type=a_fresh_enum())


def test_memory_is_bounded_however_many_values_a_server_makes_up() -> None:
    enum = a_fresh_enum()
    for number in range(2000):
        assert enum(f"Made-up {number}") == f"Made-up {number}"
    assert len(_REMEMBERED[enum]) == 256
    assert enum("Made-up 1999") == "Made-up 1999"
    assert enum("red") is enum("Red")


@pytest.mark.parametrize("text", ["DARK_BLUE", "dark-blue", " Dark Blue\n", "darkblue", "da r k b l u e", "_DarkBlue"])
def test_blanks_and_separators_are_no_other_value(text: str) -> None:
    enum = a_fresh_enum()
    for _ in range(2):
        assert enum(text) is enum("DarkBlue")
        assert msgspec.json.decode(msgspec.json.encode(text), type=enum) is enum("DarkBlue")


def test_however_a_known_value_is_spelled_memory_is_bounded() -> None:
    enum = a_fresh_enum()
    for number in range(2000):
        assert enum("Red" + " " * number) is enum("Red")
    assert len(_REMEMBERED[enum]) <= 256


def test_long_texts_are_not_remembered() -> None:
    enum = a_fresh_enum()
    enum("x" * 101)
    assert not _REMEMBERED[enum]


@pytest.mark.parametrize("text", ["\ud800", "Green", " red"])
def test_what_was_seen_changes_no_decoder_that_is_made_later(text: str) -> None:
    enum = a_fresh_enum()
    enum(text)
    take_unknown_values()
    decoder = msgspec.json.Decoder(enum)
    assert decoder.decode(b'"Red"') is enum("Red")
    assert decoder.decode(b'"Green"') == "Green"
    assert take_unknown_values() == [(enum, "Green")]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Rejected", "Refused"),
        ("REJECTED", "Refused"),
        (" rejected ", "Refused"),
        ("Canceled", "Cancelled"),
        ("can_celed", "Cancelled"),
        ("refused", "Refused"),
        ("Shipped", "Shipped"),
        ("Delivered", "Delivered"),
        ("", ""),
    ],
)
def test_words_of_one_class_have_one_meaning_and_keep_their_text(text: str, meaning: str) -> None:
    value = OutboundStatus(text)
    assert isinstance(value.meaning, OutboundStatus)
    assert value.meaning == meaning
    assert value.meaning.meaning is value.meaning
    if not value.known:
        assert value == str(value) == value.value == text
    for same in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):  # noqa: S301
        assert (same, same.meaning) == (value, value.meaning)


def test_a_class_that_an_enum_does_not_have_is_not_known() -> None:
    assert a_fresh_enum()("Rejected").meaning == "Rejected"
    assert not a_fresh_enum()("Rejected").meaning.known


def test_a_meaning_is_known_however_many_values_were_seen() -> None:
    enum = RegistrationStatus
    assert all(enum(f"Rejected{' ' * number}").meaning is enum.REFUSED for number in range(400))


@pytest.mark.parametrize("enum", [CancellationStatus, InboundStatus, OutboundStatus, RegistrationStatus])
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_every_status_knows_both_words_for_a_refusal(enum, change) -> None:
    value = enum(change("Rejected"))
    assert value.meaning is enum.REFUSED
    assert getattr(value, "final", True)


@pytest.mark.parametrize("status", ["Delivered", "", "Teleported", "Rejectedly"])
def test_an_unknown_status_has_reached_nothing_but_itself(status: str) -> None:
    for enum in (OutboundStatus, InboundStatus):
        assert not any(enum(status).reached(member) for member in enum)
        assert not any(member.reached(status) for member in enum)
        assert enum(status).reached(status)


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("Created", False),
        ("Accepted", False),
        ("InPreparation", False),
        ("Shipped", True),
        ("Refused", True),
        ("Cancelled", True),
        ("cancelled", True),
        ("Canceled", True),
        ("Rejected", True),
        ("shipped ", True),
        ("Delivered", False),
        ("Teleported", False),
    ],
)
def test_which_statuses_are_final(status, final) -> None:
    assert OutboundStatus(status).final is final
