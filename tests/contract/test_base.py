"""Open enums: what is known, what is not, and how much of the latter is remembered."""

import copy
import pickle

import msgspec
import pytest

from octoffm_async.contract.base import OpenEnum
from octoffm_async.contract.outbound import DeliveryMode, OutboundStatus, ShipmentState
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


@pytest.mark.parametrize("text", ["Green", "", " red", "RÉD", "0", "x" * 10_000, "a\nb", "null"])
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
    assert len(enum._value2member_map_) <= 256
    assert enum("Made-up 1999") == "Made-up 1999"
    assert enum("red") is enum("Red")


def test_the_python_name_of_a_member_is_not_a_known_value() -> None:
    assert not a_fresh_enum()("DARK_BLUE").known


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
        ("Teleported", False),
    ],
)
def test_which_statuses_are_final(status, final) -> None:
    assert OutboundStatus(status).final is final
