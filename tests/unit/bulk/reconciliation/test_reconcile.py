"""Reconciliation: how long it looks, how often, and what it decides. Virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.bulk.reconciliation import reconcile as module
from octoffm_async.bulk.reconciliation.controls import Evidence
from octoffm_async.bulk.reconciliation.lookup_findings import LookupFindings, RemoteMatch
from octoffm_async.bulk.reconciliation.reconcile import Decision, left_ago, reconcile, utc_now
from octoffm_async.bulk.reconciliation.remote_lookup import NOTHING
from octoffm_async.errors import ServerError
from octoffm_async.journal import Entry, State
from tests.support.items import on_virtual_time

EPOCH = 1_790_000_000.0

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return EPOCH + asyncio.get_running_loop().time()


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(time=now))


def ago(seconds: float) -> datetime:
    return datetime.fromtimestamp(now() - seconds, UTC)


class Seen:
    """A finder: what is visible from which time on, and when it was asked for what."""

    def __init__(
        self, visible: Mapping[str, tuple[float, list[RemoteMatch]]] | None = None, *, takes: float = 0.0
    ) -> None:
        self.visible = dict(visible or {})
        self.takes = takes
        self.scans: list[tuple[float, frozenset[str], datetime]] = []
        self.fails_at: int | None = None
        self.doubted_until = 0.0
        self.proofs: list[tuple[float, frozenset[str], datetime]] = []
        self.proven = LookupFindings({})

    async def find(self, references: Collection[str], *, since: datetime) -> LookupFindings:
        self.scans.append((now(), frozenset(references), since))
        if len(self.scans) == self.fails_at:
            raise ServerError("down", status=500)
        began = now()
        await asyncio.sleep(self.takes)
        found = {key: matches for key, (at, matches) in self.visible.items() if at <= began}
        return LookupFindings(found, "a row cannot be read" if began < self.doubted_until else "")

    async def prove(
        self, references: Collection[str], *, since: datetime, evidence: Evidence = NOTHING
    ) -> LookupFindings:
        self.proofs.append((now(), frozenset(references), since))
        return self.proven


async def decided(
    lookup: Any, sent_at: Mapping[str, datetime], **options: Any
) -> dict[str, tuple[float, list[RemoteMatch]]]:
    began = now()
    decisions: dict[str, tuple[float, list[RemoteMatch]]] = {}
    async for key, found, doubt in reconcile(lookup, sent_at, **options):
        assert doubt == ""
        decisions[key] = round(now() - began, 3), found
    return decisions


async def test_nothing_open_asks_nothing() -> None:
    lookup = Seen()
    assert await decided(lookup, {}, patience=60.0) == {}
    assert lookup.scans == []


async def test_what_is_there_is_found_by_one_scan_for_all() -> None:
    lookup = Seen({key: (0.0, [RemoteMatch(f"S-{key}")]) for key in "abc"})
    sent_at = {"a": ago(5), "b": ago(90), "c": ago(1)}
    assert await decided(lookup, sent_at, patience=60.0) == {key: (0.0, [RemoteMatch(f"S-{key}")]) for key in "abc"}
    assert [(references, since) for _, references, since in lookup.scans] == [(frozenset("abc"), sent_at["b"])]


async def test_what_is_old_enough_is_absent_at_once_and_the_rest_is_looked_for_again() -> None:
    lookup = Seen()
    result = await decided(lookup, {"old": ago(61), "new": ago(50)}, patience=60.0)
    assert result["old"] == (0.0, [])
    assert result["new"][0] == pytest.approx(10.0, abs=0.02)
    assert all(references == {"new"} for _, references, _ in lookup.scans[1:])


async def test_absence_is_only_believed_of_a_scan_that_began_after_the_patience() -> None:
    lookup = Seen({"a": (now() + 59.5, [RemoteMatch("S-1")])}, takes=5.0)
    elapsed, found = (await decided(lookup, {"a": ago(0)}, patience=60.0))["a"]
    assert found == [RemoteMatch("S-1")]
    assert elapsed >= 59.5


async def test_a_request_that_waited_for_its_lock_gets_its_whole_patience() -> None:
    lookup = Seen({"a": (now() + 59.5, [RemoteMatch("S-1")])})
    result = await decided(lookup, {"a": ago(600)}, patience=60.0, ago={"a": 0.0})
    assert result["a"][1] == [RemoteMatch("S-1")]
    assert {since for _, _, since in lookup.scans} == {ago(600 + result["a"][0])}


async def test_pauses_between_scans_double_up_to_a_quarter_of_a_minute() -> None:
    lookup = Seen()
    await decided(lookup, {"a": ago(0)}, patience=60.0)
    times = [at for at, _, _ in lookup.scans]
    pauses = [round(later - earlier, 3) for earlier, later in pairwise(times)]
    assert pauses[:6] == [1, 2, 4, 8, 15, 15]
    assert times[-1] - times[0] == pytest.approx(60.0, abs=0.02)
    assert len(times) < 10


async def test_no_patience_decides_by_the_first_scan() -> None:
    lookup = Seen()
    assert await decided(lookup, {"a": ago(0)}, patience=0.0) == {"a": (0.0, [])}
    assert len(lookup.scans) == 1


async def test_two_of_one_are_reported_as_an_error_and_the_first_counts(caplog: pytest.LogCaptureFixture) -> None:
    lookup = Seen({"a": (0.0, [RemoteMatch("S-1"), RemoteMatch("S-2")]), "b": (0.0, [RemoteMatch("S-3")])})
    with caplog.at_level(logging.ERROR, logger="octoffm_async"):
        result = await decided(lookup, {"a": ago(0), "b": ago(0)}, patience=1.0)
    assert result["a"][1][0] == RemoteMatch("S-1")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "DUPLICATE: reference 'a' exists 2 times remotely: S-1, S-2"


async def test_what_was_decided_before_a_scan_fails_stays_decided() -> None:
    lookup = Seen({"a": (0.0, [RemoteMatch("S-1")])})
    lookup.fails_at = 2
    decisions = reconcile(lookup, {"a": ago(0), "b": ago(0)}, patience=60.0)
    assert await anext(decisions) == Decision("a", [RemoteMatch("S-1")])
    with pytest.raises(ServerError):
        await anext(decisions)


async def test_what_a_scan_leaves_in_doubt_is_not_absent_but_what_it_shows_is_found() -> None:
    lookup = Seen({"a": (0.0, [RemoteMatch("S-1")])})
    lookup.doubted_until = 1e12
    began = now()
    decisions = {one.key: one async for one in reconcile(lookup, {"a": ago(0), "b": ago(0)}, patience=60.0)}
    assert decisions == {"a": Decision("a", [RemoteMatch("S-1")]), "b": Decision("b", [], "a row cannot be read")}
    assert now() - began == pytest.approx(60.0, abs=0.1)


async def test_a_doubt_that_passes_in_time_is_none() -> None:
    lookup = Seen()
    lookup.doubted_until = now() + 30
    decisions = [one async for one in reconcile(lookup, {"a": ago(0)}, patience=60.0)]
    assert decisions == [Decision("a", [])]


async def test_a_doubt_is_reported_of_those_alone_that_are_old_enough() -> None:
    lookup = Seen()
    lookup.doubted_until = now() + 30
    decisions = {one.key: one async for one in reconcile(lookup, {"old": ago(90), "new": ago(0)}, patience=60.0)}
    assert [bool(decisions[key].doubt) for key in ("old", "new")] == [True, False]


async def test_what_would_be_absent_is_looked_for_thoroughly_once_and_that_decides() -> None:
    lookup = Seen({"c": (0.0, [RemoteMatch("S-3")])})
    lookup.proven = LookupFindings({"a": [RemoteMatch("S-1")]}, "it shows 1 of 2 orders")
    sent_at = {"a": ago(70), "b": ago(61), "c": ago(90)}
    decisions = {one.key: one async for one in reconcile(lookup, sent_at, patience=60.0)}
    assert decisions == {
        "a": Decision("a", [RemoteMatch("S-1")]),
        "b": Decision("b", [], "it shows 1 of 2 orders"),
        "c": Decision("c", [RemoteMatch("S-3")]),
    }
    assert [(references, since) for _, references, since in lookup.proofs] == [(frozenset("ab"), sent_at["a"])]


@pytest.mark.parametrize(
    ("passes_after", "ends_in", "takes", "is_absent"),
    [
        (0.0, 1e9, 0.0, True),
        (20.0, 1e9, 30.0, True),
        (1e9, 1e9, 45.0, False),  # another patience, but for the look that would come at its very end
        (20.0, 25.0, 15.0, False),  # the call's time is over before
    ],
)
async def test_a_list_that_others_change_is_read_again_for_another_patience(
    *, passes_after: float, ends_in: float, takes: float, is_absent: bool
) -> None:
    began = now()
    lookup = Seen()

    async def prove(*_: Any, **__: Any) -> LookupFindings:
        is_over = now() - began >= passes_after
        return LookupFindings({}) if is_over else LookupFindings({}, "it shows 70 of 71 orders", passing=True)

    lookup.prove = prove  # type: ignore[method-assign]
    ends_at = asyncio.get_running_loop().time() + ends_in
    decisions = [one async for one in reconcile(lookup, {"a": ago(90)}, patience=60.0, ends_at=ends_at)]
    assert decisions == [Decision("a", [], "" if is_absent else "it shows 70 of 71 orders")]
    assert now() - began == pytest.approx(takes, abs=0.01)


async def test_a_list_that_others_change_is_read_once_where_there_is_no_patience() -> None:
    lookup = Seen()
    lookup.proven = LookupFindings({}, "it shows 70 of 71 orders", passing=True)
    assert [one.doubt async for one in reconcile(lookup, {"a": ago(0)}, patience=0.0)] == ["it shows 70 of 71 orders"]
    assert len(lookup.proofs) == 1


async def test_what_is_found_or_in_doubt_needs_no_thorough_look() -> None:
    lookup = Seen({"a": (0.0, [RemoteMatch("S-1")])})
    lookup.doubted_until = 1e12
    assert len([one async for one in reconcile(lookup, {"a": ago(90), "b": ago(90)}, patience=60.0)]) == 2
    assert lookup.proofs == []


async def test_a_cancellation_ends_it_within_a_pause() -> None:
    lookup = Seen()
    task = asyncio.create_task(decided(lookup, {"a": ago(0)}, patience=3600.0))
    await asyncio.sleep(100)
    task.cancel()
    began = now()
    await asyncio.wait([task])
    assert task.cancelled()
    assert now() - began < 0.01


@given(
    st.dictionaries(st.text(max_size=3), st.tuples(st.floats(0, 100), st.none() | st.floats(0, 100)), max_size=6),
    st.floats(0, 60),
)
def test_every_key_is_decided_once_and_nothing_visible_in_time_is_missed(
    keys: dict[str, tuple[float, float | None]], patience: float
) -> None:
    async def main() -> None:
        began = now()
        lookup = Seen(
            {key: (began + late, [RemoteMatch(key)]) for key, (_, late) in keys.items() if late is not None}, takes=0.3
        )
        sent_at = {key: ago(age) for key, (age, _) in keys.items()}
        decisions = [pair async for pair in reconcile(lookup, sent_at, patience=patience)]
        assert sorted(key for key, _, _ in decisions) == sorted(keys)
        for key, found, _ in decisions:
            age, late = keys[key]
            if late is not None and late + age < patience - 0.001:
                assert found == [RemoteMatch(key)]
            if not found:
                assert lookup.scans[-1][0] >= began + patience - age - 0.001

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "time", SimpleNamespace(time=now))
        on_virtual_time(main)


@pytest.mark.parametrize(
    ("by_ours", "by_theirs", "waits"),
    [
        (3600.0, 10.0, 50.0),  # ours was put forward since
        (10.0, 3600.0, 50.0),  # ours was put back, or the request waited for its turn
        (3600.0, 3600.0, 0.0),
        (3600.0, -3600.0, 60.0),  # theirs was put back
        (-3600.0, 3600.0, 60.0),
        (3600.0, None, 0.0),
    ],
)
async def test_the_patience_is_measured_by_the_clock_that_saw_the_least_of_it(
    by_ours: float, by_theirs: float | None, waits: float
) -> None:
    result = await decided(
        Seen(),
        {"a": ago(7200)},
        patience=60.0,
        ago={"a": by_ours},
        api_at={} if by_theirs is None else {"a": ago(by_theirs)},
        api_clock=lambda: None if by_theirs is None else datetime.fromtimestamp(now(), UTC),
    )
    assert result["a"][0] == pytest.approx(waits, abs=0.02)


async def test_a_clock_that_is_set_while_it_waits_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lookup = Seen()
    task = asyncio.create_task(decided(lookup, {"a": ago(0)}, patience=60.0))
    await asyncio.sleep(5)
    began = len(lookup.scans)
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now() + 3600))
    await asyncio.sleep(40)
    assert not task.done()
    assert (await task)["a"][1] == []
    assert len(lookup.scans) > began


def entry(state: State, *, changed: float, left_by: float | None = None) -> Entry:
    return Entry(
        key="a",
        state=state,
        payload_hash=b"",
        run="",
        sent_at=ago(9000),
        changed_at=ago(changed),
        latest_sent_at=None if left_by is None else ago(left_by),
    )


@pytest.mark.parametrize(
    ("state", "changed", "left_by", "over_for", "opened", "seconds"),
    [
        (State.UNKNOWN, 100, None, None, None, 100),
        (State.UNKNOWN, 3700, None, 100, None, 100),  # our clock was put forward
        (State.UNKNOWN, -3500, None, 100, None, 0),  # and back
        (State.SENT, 100, None, None, None, 0),  # it may wait for its turn
        (State.SENT, 100, None, None, (50, 50), 50),  # of a process that was gone when this one opened the journal
        (State.SENT, 3700, None, None, (3650, 50), 50),
        (State.SENT, 10, None, None, (50, 50), 0),
        (State.SENT, 100, 80, None, None, 80),
        (State.SENT, 100, -80, None, None, 0),
    ],
)
async def test_how_long_ago_a_request_can_have_left(
    *,
    state: State,
    changed: float,
    left_by: float | None,
    over_for: float | None,
    opened: tuple[float, float] | None,
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "utc_now", lambda: ago(0))
    await asyncio.sleep(100)
    journal: Any = SimpleNamespace(opened_at=None, opened_on=None, taken_on=None)
    if opened is not None:
        journal.opened_at, journal.opened_on = ago(opened[0]), asyncio.get_running_loop().time() - opened[1]
    found = left_ago(entry(state, changed=changed, left_by=left_by), journal, over_for=over_for)
    assert found == pytest.approx(seconds, abs=0.01)


async def test_utc_now_has_a_zone() -> None:
    assert timedelta(0) <= utc_now() - datetime.now(UTC) + timedelta(seconds=5) < timedelta(seconds=10)


async def test_those_that_may_be_taken_for_one_another_are_looked_for_together() -> None:
    lookup = Seen({"a": (0.0, [RemoteMatch("S-1")])})
    for rivals, references in ((["b", "A"], {"a", "A", "b"}), (["b", "c"], {"a"}), ([], {"a"})):
        lookup.scans.clear()
        assert await decided(lookup, {"a": ago(5)}, patience=60.0, rivals=rivals) == {"a": (0.0, [RemoteMatch("S-1")])}
        assert [names for _, names, _ in lookup.scans] == [references]


async def test_one_that_stays_undecided_is_still_looked_for_with_those_that_are_like_it() -> None:
    lookup = Seen()
    lookup.doubted_until = now() + 5
    looking = reconcile(lookup, {"old": ago(61), "OLD": ago(50), "x": ago(50)}, patience=60.0)
    decisions = [(key, bool(doubt)) async for key, _, doubt in looking]
    assert decisions == [("old", True), ("OLD", False), ("x", False)]
    assert lookup.scans[-1][1] == {"old", "OLD", "x"}
