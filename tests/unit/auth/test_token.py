"""A token's windows, and their way from a shared clock to the event loop's: arithmetic, over its whole range."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import Secret, UnusableAnswerError
from octoffm_async.auth.store import LONGEST_LIFE, MOST_SKEW, SharedToken
from octoffm_async.auth.token import shared_from, token_from, token_here
from octoffm_async.contract.access import TokenAnswer

lives = st.floats(1e-3, 1e6)
loop_times = st.floats(0, 1e7)
wall_times = st.floats(1.6e9, 2.6e9)
GRAIN = 1e-5
"""What floats of wall-clock size can tell apart, with room."""


def answered(life: float) -> TokenAnswer:
    return TokenAnswer(access_token="t", expires_in=life)


@given(life=lives, asked_at=loop_times)
def test_the_windows_of_a_token(life: float, asked_at: float) -> None:
    token = token_from(answered(life), asked_at=asked_at)
    believed = min(life, LONGEST_LIFE)
    assert asked_at == token.asked_at
    assert token.renew_at == pytest.approx(asked_at + 0.8 * believed)
    assert token.expires_at == pytest.approx(asked_at + believed - min(60, believed / 10))
    assert asked_at <= token.renew_at <= token.expires_at <= asked_at + believed


@given(life=lives, here=loop_times, there=wall_times, share=st.floats(0, 0.999), drift=st.floats(-1e8, 1e8))
def test_through_a_store_the_windows_stay_where_they_are(
    life: float, here: float, there: float, share: float, drift: float
) -> None:
    """Asked for in one process, taken over in another whose loop's clock differs by ``drift``."""
    own = token_from(answered(life), asked_at=here)
    elapsed = share * min(life, LONGEST_LIFE)
    shared = shared_from(answered(life), asked_at=there)
    taken = token_here(shared, there=there + elapsed, here=here + drift + elapsed)
    if taken is None:  # at the very end of its life, floats decide
        assert shared.expires_at - (there + elapsed) <= GRAIN
        return
    assert taken.secret == own.secret
    for name in ("asked_at", "renew_at", "expires_at"):
        assert getattr(taken, name) - drift == pytest.approx(getattr(own, name), abs=GRAIN + 1e-7)


@given(asked_at=wall_times, life=st.floats(allow_nan=True, allow_infinity=True), there=wall_times, here=loop_times)
def test_no_clock_makes_a_token_immortal(asked_at: float, life: float, there: float, here: float) -> None:
    token = token_here(
        SharedToken(secret=Secret("t"), asked_at=asked_at, expires_at=asked_at + life), there=there, here=here
    )
    if token is None:
        return
    assert 0 < life <= LONGEST_LIFE + GRAIN
    assert token.expires_at <= here + life + GRAIN
    assert token.asked_at <= here
    assert asked_at <= there + MOST_SKEW + GRAIN


@pytest.mark.parametrize(
    ("age", "believed"),
    [
        (0.0, True),
        (99.0, True),
        (100.0, False),
        (1e9, False),
        (-MOST_SKEW, True),
        (-MOST_SKEW - 0.1, False),
        (-3600.0, False),
    ],
)
def test_a_token_is_believed_from_now_to_its_end(age: float, *, believed: bool) -> None:
    shared = SharedToken(secret=Secret("t"), asked_at=1000.0, expires_at=1100.0)
    token = token_here(shared, there=1000.0 + age, here=50.0)
    assert (token is not None) is believed
    if token is not None:
        assert token.asked_at == pytest.approx(50.0 - max(0.0, age))


@pytest.mark.parametrize(
    ("asked_at", "expires_at"),
    [(0, LONGEST_LIFE + 1), (0, 0), (5, 4), (0, math.inf), (0, math.nan), (math.nan, 5), (-math.inf, 5)],
)
def test_an_absurd_life_in_a_store_is_not_believed(asked_at: float, expires_at: float) -> None:
    shared = SharedToken(secret=Secret("t"), asked_at=asked_at, expires_at=expires_at)
    assert token_here(shared, there=1.0, here=1.0) is None


@pytest.mark.parametrize("life", [0.0, -5.0, float("nan")])
def test_a_token_without_a_life_is_not_used(life: float) -> None:
    with pytest.raises(UnusableAnswerError):
        token_from(answered(life), asked_at=0.0)
    with pytest.raises(UnusableAnswerError):
        shared_from(answered(life), asked_at=0.0)


def test_an_absurd_life_of_an_answer_is_not_believed() -> None:
    assert token_from(answered(1e12), asked_at=0.0).expires_at <= 86_400
    assert shared_from(answered(1e12), asked_at=0.0).expires_at == 86_400
