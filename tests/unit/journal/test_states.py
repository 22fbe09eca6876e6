"""The table of states, all of it, and what a known key means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from octoffm_async.journal.states import (
    LEGAL,
    Entry,
    IllegalTransitionError,
    State,
    Verdict,
    check,
    decide_known_key,
    payload_hash,
)

P, S, C, R, F, U = State.PENDING, State.SENT, State.CREATED, State.REFUSED, State.FAILED, State.UNKNOWN

ALLOWED = {
    *[(None, S), (P, S)],
    *[(S, C), (S, R), (S, F), (S, U), (S, P)],
    *[(U, C), (U, R), (U, P), (U, S), (U, U)],
    *[(F, S), (R, S), (C, R)],
}
SAME, OTHER = payload_hash(b"one"), payload_hash(b"two")


@pytest.mark.parametrize("after", State)
@pytest.mark.parametrize("before", [None, *State])
def test_every_pair_of_states(before: State | None, after: State) -> None:
    if (before, after) in ALLOWED:
        check(before, after, key="K")
    else:
        with pytest.raises(IllegalTransitionError, match=f"'K' cannot go from {before or 'nothing'} to {after}"):
            check(before, after, key="K")


def test_every_state_has_its_line_and_none_is_a_dead_end_but_by_a_late_refusal() -> None:
    assert set(LEGAL) == {None, *State}
    assert LEGAL[C] == {R}


@pytest.mark.parametrize(
    ("state", "same", "other"),
    [
        (P, Verdict.SEND, Verdict.SEND),
        (S, Verdict.UNDECIDED, Verdict.CHANGED),
        (C, Verdict.ALREADY_CREATED, Verdict.CHANGED),
        (R, Verdict.ALREADY_REFUSED, Verdict.SEND),
        (F, Verdict.SEND, Verdict.SEND),
        (U, Verdict.UNDECIDED, Verdict.CHANGED),
    ],
)
def test_what_a_known_key_means(state: State, same: Verdict, other: Verdict) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    entry = Entry(key="K", state=state, payload_hash=SAME, run="R", changed_at=now, sent_at=now)
    assert decide_known_key(entry, SAME) is same
    assert decide_known_key(entry, OTHER) is other


def test_an_unknown_key_is_sent() -> None:
    assert decide_known_key(None, SAME) is Verdict.SEND


@pytest.mark.parametrize("state", State)
def test_what_may_be_sent_may_become_sent(state: State) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    entry = Entry(key="K", state=state, payload_hash=SAME, run="R", changed_at=now, sent_at=now)
    if Verdict.SEND in (decide_known_key(entry, SAME), decide_known_key(entry, OTHER)):
        check(state, State.SENT)


def test_a_hash_is_sixteen_bytes_and_distinguishes_payloads() -> None:
    assert len(SAME) == len(payload_hash(b"")) == 16
    assert SAME == payload_hash(b"one") != OTHER
