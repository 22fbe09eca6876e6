"""Ids that were given before, and what is doubted with them."""

from __future__ import annotations

import logging
import uuid

import pytest

from octoffm_async.session.decoding import known_ids as module
from octoffm_async.session.decoding.known_ids import SUSPECTED_MOST, KnownIds
from octoffm_async.transport.connection_history import RECENT_IDS, ConnectionHistory


def guid(number: int) -> str:
    return str(uuid.UUID(int=number))


def history() -> tuple[ConnectionHistory, list[str]]:
    closed: list[str] = []
    return ConnectionHistory(lambda: closed.append("closed")), closed


def test_the_same_order_may_get_the_same_id_again() -> None:
    given = KnownIds()
    assert given.take("A", guid(1), None) is None
    assert given.take(b"A".decode(), guid(1), None) is None
    assert given.suspects == {}


def test_an_id_of_another_order_is_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    given = KnownIds()
    given.take("A", guid(1), None)
    for reference in ("B", "C"):
        doubt = given.take(reference, guid(1), None)
        assert doubt is not None
        assert "'A' got before" in doubt.reason
        assert not doubt.odd
    assert given.suspects == {"A": guid(1)}
    assert "'A' and 'C'" in caplog.text
    assert given.take("B", guid(2), None) is None


def test_whose_an_id_is_is_known_for_as_long_as_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    given = KnownIds()
    for number in range(5):
        given.take(f"O-{number}", guid(number), None)
    assert [given.holder(guid(number)) for number in range(6)] == [None, None, "O-2", "O-3", "O-4", None]


def test_a_cache_that_repeats_itself_a_million_times_is_told_a_few_times(caplog: pytest.LogCaptureFixture) -> None:
    given = KnownIds()
    for number in range(1000):
        given.take(f"O-{number}", guid(1), None)
    assert 1 < len(caplog.records) < 50
    assert given.suspects == {"O-0": guid(1)}


def test_ids_are_remembered_for_long_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 10)
    given = KnownIds()
    for number in range(25):
        assert given.take(f"O-{number}", guid(number), None) is None
    for number in range(15, 25):
        assert given.take("X", guid(number), None) is not None
    assert given.take("X", guid(1), None) is None
    assert len(given._recent) + len(given._older) <= 20


def test_what_a_connection_told_is_suspected_with_it() -> None:
    given = KnownIds()
    one, closed = history()
    other, _ = history()
    for number in range(4):
        given.take(f"O-{number}", guid(number), one if number % 2 else other)
    assert given.take("B", guid(1), one) is not None
    assert closed == ["closed"]
    assert given.suspects == {"O-1": guid(1), "O-3": guid(3)}
    late = given.take("C", guid(9), one)
    assert late is not None
    assert "out of step" in late.reason
    assert given.take("D", guid(10), other) is None
    assert given.take("C", guid(9), other) is None  # what was not believed was not taken in either


def test_a_connection_keeps_the_last_it_told() -> None:
    given = KnownIds()
    one, _ = history()
    for number in range(RECENT_IDS + 5):
        given.take(f"O-{number}", guid(number), one)
    one.doubt("why")
    assert list(given.suspects) == [f"O-{number}" for number in range(5, RECENT_IDS + 5)]


def test_the_last_answer_again_for_an_order_of_another_kind_is_seen_by_its_connection() -> None:
    orders, supplies = KnownIds(), KnownIds()
    one, closed = history()
    assert orders.take("A", guid(1), one) is None
    assert supplies.take("S", guid(2), one) is None
    assert orders.take("B", guid(2), one) is not None
    assert closed == ["closed"]
    assert orders.suspects == {"A": guid(1)}
    assert supplies.suspects == {"S": guid(2)}


def test_an_id_of_another_form_is_odd_and_is_forgotten() -> None:
    given = KnownIds()
    for number in range(3):
        given.take(f"O-{number}", guid(number), None)
    for _ in range(2):
        doubt = given.take("A", "12", None)
        assert doubt is not None
        assert doubt.odd
        assert guid(2) in doubt.reason
    given.know("A", "12", proven=True)
    assert given.take("A", "12", None) is None
    assert given.take("B", "13", None) is None
    assert given.take("C", guid(4), None) is None


def test_what_the_api_shows_is_suspected_no_more() -> None:
    given = KnownIds()
    given.take("A", guid(1), None)
    given.take("B", guid(1), None)
    given.know("B", guid(1), proven=True)
    assert given.suspects == {"A": guid(1)}
    given.know("A", guid(2), proven=True)
    assert given.suspects == {}
    assert given.take("A", guid(1), None) is not None


def test_the_orders_of_earlier_runs_are_settled() -> None:
    given = KnownIds()
    given.know("A", guid(1))
    assert given.take("A", guid(1), None) is None
    assert given.take("B", guid(1), None) is not None
    assert given.suspects == {}
    assert not given.is_shown(guid(1))
    given.know("A", guid(1), proven=True)
    assert given.is_shown(guid(1))


def test_there_are_only_so_many_suspects() -> None:
    given = KnownIds()
    for number in range(SUSPECTED_MOST + 5):
        given.suspect(f"O-{number}", guid(number))
    assert len(given.suspects) == SUSPECTED_MOST
    given.clear("O-0")
    given.suspect("X", guid(0))
    assert given.suspects["X"] == guid(0)
