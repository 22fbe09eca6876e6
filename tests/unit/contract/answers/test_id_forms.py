"""How ids look: learned from a few, and never so that an account's own ones stay odd."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoffm_async.contract.answers.id_forms import ENOUGH, SLACK, Forms, kind_of
from tests.unit.sizes import tries

MAKERS: dict[str, Callable[[random.Random, int], str]] = {
    "GUIDs": lambda rng, _: str(uuid.UUID(int=rng.getrandbits(128))),
    "GUIDs in capitals": lambda rng, _: str(uuid.UUID(int=rng.getrandbits(128))).upper(),
    "GUIDs without hyphens": lambda rng, _: uuid.UUID(int=rng.getrandbits(128)).hex,
    "numbers in a row": lambda _, n: str(995 + n),
    "numbers from one on": lambda _, n: str(1 + n),
    "random numbers": lambda rng, _: str(rng.randrange(10**8, 10**9)),
    "words in a row": lambda _, n: f"OS-2026-{n:06}",
    "a prefix and a number": lambda _, n: f"ord_{n}",
    "random letters and digits": lambda rng, n: f"{n % 10}" + "".join(rng.choices(string.ascii_letters, k=20)),
}
IDS = st.one_of(
    st.uuids().map(str),
    st.integers(min_value=1, max_value=10**20).map(str),
    st.text(string.ascii_letters + string.digits + "-_.é", min_size=1, max_size=40),
)


def is_usual(forms: Forms, text: str) -> bool:
    """What is asked first, for each id."""
    return (forms.guids and kind_of(text) == "GUID") or bool(forms.usual(text))


def learned(*ids: str) -> Forms:
    forms = Forms()
    for each in ids:
        assert forms.fits(each), each
        forms.add(each)
    return forms


def of(name: str, count: int, seed: int = 0) -> list[str]:
    rng = random.Random(f"{name} {seed}")
    return [MAKERS[name](rng, number) for number in range(count)]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("seed", range(3))
def test_ids_of_one_make_are_never_odd(name: str, seed: int) -> None:
    ids = of(name, 300, seed)
    forms = learned(*ids)
    assert all(is_usual(forms, each) for each in ids)


def test_a_random_word_may_be_odd_for_what_it_lacks_until_one_is_proven() -> None:
    rng, forms, proofs = random.Random(5), Forms(), 0
    for _ in range(20_000):
        made = "".join(rng.choices(string.ascii_lowercase + string.digits, k=20))
        if not is_usual(forms, made):
            proofs += not forms.fits(made)
            forms.add(made, proven=not forms.fits(made))
    assert proofs == 1


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "numbers from one on"])
@pytest.mark.parametrize("odd", ["12", "OK", "CREATED", "CR-2026-0001", "1", "id"])
def test_an_id_of_clearly_another_make_is_odd(name: str, odd: str) -> None:
    forms = learned(*of(name, ENOUGH))
    if not (name == "numbers in a row" and odd.isdigit()):  # those have three digits: one or two fewer are near
        assert not forms.fits(odd)
    assert not is_usual(forms, odd)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("GUIDs", "GUIDs in capitals")])
def test_a_guid_is_odd_where_there_are_none(name: str) -> None:
    assert not learned(*of(name, ENOUGH)).fits(of("GUIDs", 1)[0])


def test_nothing_is_odd_before_enough_were_seen() -> None:
    forms = learned(*of("GUIDs", ENOUGH - 1))
    assert forms.fits("12")
    assert not is_usual(forms, "12")


def test_what_was_seen_once_before_the_others_is_odd_once_they_are_established() -> None:
    forms = learned("12", *of("GUIDs", ENOUGH))
    assert not forms.fits("13")


@pytest.mark.parametrize(
    ("ids", "near", "far"),
    [
        (["1000000", "1000001", "1000002"], "1" * (7 + SLACK), "1" * (8 + SLACK)),
        (["1000000", "1000001", "1000002"], "1" * (7 - SLACK), "1" * (6 - SLACK)),
        (["OS-1", "OS-2", "OS-3"], "OS-100", "OR-1"),
        (["a1", "b2", "c3"], "d4e5", "D4"),
        (["a1", "b2", "c3"], "4", "ab"),
        (["a1b", "b2c", "c3d"], "d4e5", "d4-e"),
        (["Ab1", "Bc2", "Cd3"], "dE4", "dE\u0664"),
    ],
)
def test_how_far_ids_of_one_kind_may_differ(ids: list[str], near: str, far: str) -> None:
    forms = learned(*ids)
    assert kind_of(near) == kind_of(far) or near == "4"
    if near != "4":
        assert forms.fits(near)
    assert not forms.fits(far)


@settings(max_examples=tries(40))
@given(st.lists(IDS, max_size=30), IDS)
def test_what_is_proven_is_usual_from_then_on_and_nothing_becomes_odd(ids: list[str], proven: str) -> None:
    forms = Forms()
    believed = []
    for each in ids:
        if forms.fits(each):
            forms.add(each)
            believed.append(each)
    before = [each for each in believed if is_usual(forms, each)]
    forms.add(proven, proven=True)
    assert is_usual(forms, proven)
    assert forms.fits(proven)
    assert all(is_usual(forms, each) for each in before)


@settings(max_examples=tries(40))
@given(st.lists(IDS, max_size=30), st.lists(IDS, max_size=10))
def test_what_passes_at_once_fits(ids: list[str], others: list[str]) -> None:
    forms = Forms()
    for each in ids:
        if forms.fits(each):
            forms.add(each)
    assert all(forms.fits(each) for each in others + ids if is_usual(forms, each))


@settings(max_examples=20)
@given(st.lists(IDS, min_size=60, max_size=60))
def test_an_api_that_mixes_forms_has_to_prove_few_of_them(ids: list[str]) -> None:
    """Each proof adds a kind, a class of signs, or length: there are only so many."""
    forms, proofs = Forms(), 0
    for each in ids:
        if not forms.fits(each):
            proofs += 1
        forms.add(each, proven=not forms.fits(each))
    assert proofs <= 40
