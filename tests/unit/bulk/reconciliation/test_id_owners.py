"""Whose an id of the list is: with a real journal, and rows as a list may show them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.bulk.reconciliation.id_owners import Owners
from octoffm_async.bulk.reconciliation.lookup_findings import LookupFindings, RemoteMatch, RowCollector
from octoffm_async.journal import Journal, JournalRun, OutgoingItem, State, payload_hash
from octoffm_async.session.decoding.known_ids import KnownIds


@pytest.fixture
async def journal_run(tmp_path: Path) -> AsyncIterator[JournalRun]:
    async with Journal.open(tmp_path / "orders.sqlite") as journal:
        yield await journal.begin_run(seller="S", operation="o")


@pytest.fixture
def given() -> KnownIds:
    return KnownIds()


async def sent(journal_run: JournalRun, *keys: str, **created: str) -> None:
    """Let the journal know these: lost ones, and created ones with their ids."""
    names = [*keys, *(name.replace("_", "-") for name in created)]
    await journal_run.mark_sent([OutgoingItem(key, payload_hash(b"{}"), b"{}") for key in names])
    for key in keys:
        journal_run.record_outcome(key, State.UNKNOWN, message="lost")
    for name, remote_id in created.items():
        journal_run.record_created(name.replace("_", "-"), remote_id)
    await journal_run.flush()


async def sifted(
    journal_run: JournalRun, given: KnownIds, references: set[str], *rows: tuple[str, str]
) -> LookupFindings:
    gathered = RowCollector(references, what="orders")
    for reference, remote_id in rows:
        gathered.add(reference, RemoteMatch(remote_id))
    return await Owners(journal_run, given).sift(gathered.findings(), references)


async def test_what_is_shown_with_an_id_of_its_own_is_found_and_known(journal_run: JournalRun, given: KnownIds) -> None:
    await sent(journal_run, "A", B="2")
    found = await sifted(journal_run, given, {"A"}, ("A", "1"), ("B", "2"))
    assert (found.matches, found.held) == ({"A": [RemoteMatch("1")]}, {})
    assert given.is_shown("1")
    assert given.suspects == {}


async def test_an_id_that_is_shown_for_two_references_is_nobodys(journal_run: JournalRun, given: KnownIds) -> None:
    await sent(journal_run, "A", "C")
    found = await sifted(journal_run, given, {"A", "C"}, ("A", "1"), ("B", "1"), ("C", "3"))
    assert found.matches == {"C": [RemoteMatch("3")]}
    assert "the id '1', and 'B' with the same one" in found.doubt_of("A")
    assert not given.is_shown("1")


async def test_the_id_of_an_order_that_is_alike_is_that_ones(journal_run: JournalRun, given: KnownIds) -> None:
    await sent(journal_run, "ORD-1", ord_1="1")
    found = await sifted(journal_run, given, {"ORD-1"}, ("ORD-1", "1"), ("ORD-2", "2"), ("x", "3"))
    assert found.matches == {}
    assert "the id '1', which the response for 'ord-1' had" in found.doubt_of("ORD-1")
    found = await sifted(journal_run, given, {"ORD-1"}, ("ORD-1", "1"), ("ORD-1", "4"))
    assert (found.matches, found.doubt_of("ORD-1")) == ({"ORD-1": [RemoteMatch("4")]}, "")
    assert given.suspects == {}
    found = await sifted(
        journal_run, given, {"ORD-1"}, ("ORD-1", "1"), ("ord-1", "5")
    )  # both are kept: its response had a wrong id
    assert (found.matches, given.suspects) == ({"ORD-1": [RemoteMatch("1")]}, {"ord-1": "1"})


async def test_an_order_that_the_list_shows_with_another_id_than_its_response_had_is_suspected(
    journal_run: JournalRun, given: KnownIds
) -> None:
    """As all others that it shows so; it tells nothing of those that it does not show."""
    await sent(journal_run, "A", B="1", C="2", D="4", E="9")
    found = await sifted(journal_run, given, {"A"}, ("A", "1"), ("B", "2"), ("C", "3"), ("D", "4"))
    assert found.matches == {"A": [RemoteMatch("1")]}
    assert given.suspects == {"B": "1", "C": "2"}
    assert given.holder("1") == "A"


@pytest.mark.parametrize(
    ("rows", "suspects"),
    [
        ([("A", "9"), ("B", "2"), ("C", "3")], {"B": "1", "C": "2"}),  # C's response had the id of B
        ([("A", "9"), ("B", "8"), ("D", "1")], {"B": "1"}),  # B's response had the id of D, which is not ours
        ([("A", "9"), ("B", "8"), ("C", "2")], {}),  # a reference that somebody uses anew is no such case
        ([("A", "9"), ("B", "8"), ("D", "1"), ("E", "1")], {}),
    ],
)
async def test_the_first_list_is_compared_with_what_was_received_before(
    journal_run: JournalRun, given: KnownIds, rows: list[tuple[str, str]], suspects: dict[str, str]
) -> None:
    await sent(journal_run, "A", B="1", C="2")
    owners = Owners(journal_run, given)
    for lines in ([], rows, [("A", "9"), ("B", "2"), ("C", "3")]):  # an empty one is no list
        gathered = RowCollector({"A"}, what="orders")
        for reference, remote_id in lines:
            gathered.add(reference, RemoteMatch(remote_id))
        found = await owners.sift(gathered.findings(), {"A"})
        assert lines is not rows or given.suspects == suspects
        assert found.matches == ({"A": [RemoteMatch("9")]} if lines else {})
    assert bool(given.suspects) is bool(suspects)  # the third one is not the first


@pytest.mark.parametrize("shown", [(), [("B", "2")]])
@pytest.mark.parametrize("moment", ["keys_of_ids", "look_up"])
async def test_an_order_that_gets_the_id_while_the_journal_is_asked_for_it_is_suspected(
    journal_run: JournalRun,
    given: KnownIds,
    moment: str,
    shown: Sequence[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A response repeats the id of an order whose own response was lost, and that is found just then."""
    await sent(journal_run, "A", "B", C="3")
    read = getattr(journal_run, moment)

    async def and_then(keys: Sequence[str]) -> Any:
        answer = await read(keys)
        if given.holder("1") is None:
            assert given.take("B", "1", None) is None
            journal_run.record_created("B", "1")
        return answer

    monkeypatch.setattr(journal_run, moment, and_then)
    found = await sifted(journal_run, given, {"A"}, ("A", "1"), ("C", "3"), *shown)
    assert given.suspects == {"B": "1"}
    assert (found.matches == {"A": [RemoteMatch("1")]}) is bool(shown)
    assert ("which the response for 'B' had, and does not show 'B'" in found.doubt_of("A")) is (not shown)


async def test_an_id_of_an_order_that_the_list_does_not_show_is_in_doubt(
    journal_run: JournalRun, given: KnownIds
) -> None:
    await sent(journal_run, "A", B="1")
    found = await sifted(journal_run, given, {"A"}, ("A", "1"), ("C", "3"))
    assert found.matches == {}
    assert "which the response for 'B' had, and does not show 'B'" in found.doubt_of("A")
    assert given.suspects == {"B": "1"}


async def test_what_another_journal_delivered_is_known_by_the_session(journal_run: JournalRun, given: KnownIds) -> None:
    await sent(journal_run, "A", "C")
    given.take("B", "1", None)
    given.take("C", "3", None)  # looked up since
    found = await sifted(journal_run, given, {"A"}, ("A", "1"))
    assert "which the response for 'B' had" in found.doubt_of("A")
    found = await sifted(journal_run, given, {"A"}, ("A", "3"))
    assert found.matches == {"A": [RemoteMatch("3")]}


@pytest.mark.parametrize(
    ("shown", "other", "rows", "is_clear"),
    [
        ("ord-1", "ORD-1", ["ord-2", "x"], False),
        ("ord-1", "ORD-1", ["Ord-2"], True),
        ("ORD-1", "ord-1", ["ORD-2", "17"], False),
        ("ORD-1", "ord-1", ["ORd-2"], True),
        ("42", "0042", ["17"], False),
        ("42", "0042", ["017"], True),
        ("0042", "42", [], True),  # nobody adds zeros
        ("a b", " a  b ", ["c d"], False),
        ("a b", " a  b ", ["c  d"], True),
        ("\u00e9-1", "e\u0301-1", ["\u00e9-2"], False),
        ("\u00e9-1", "e\u0301-1", ["e\u0301-2"], True),
        ("zero-1", "ze\u200bro-1", ["x"], False),
        ("long-reference-1", "long-reference-12", ["short"], False),
        ("long-reference-1", "long-reference-12", ["a-much-longer-reference"], True),
        ("long-reference-1", "long-reference-12", ["long-reference-2"], False),
        ("long-reference-1", "long-reference-12", ["long-reference-20"], True),
        ("long-reference-1", "long-reference-1\u00e9", ["long-reference-20"], False),
        ("long-reference-12", "long-reference-1", [], True),
        ("ord-1", "ORD-12", [], True),
    ],
)
async def test_of_two_that_are_alike_one_is_found_if_the_list_is_seen_to_keep_references(
    journal_run: JournalRun, given: KnownIds, shown: str, other: str, rows: list[str], *, is_clear: bool
) -> None:
    await sent(journal_run, shown, other)
    found = await sifted(journal_run, given, {shown, other}, (shown, "1"), *((row, f"R-{row}") for row in rows))
    if is_clear:
        assert (found.matches, found.held) == ({shown: [RemoteMatch("1")]}, {})
        return
    assert found.matches == {}
    for key in (shown, other):
        assert repr(shown) in found.doubt_of(key)
        assert repr(other) in found.doubt_of(key)
    both = await sifted(journal_run, given, {shown, other}, (shown, "1"), (other, "2"))
    assert both.matches == {shown: [RemoteMatch("1")], other: [RemoteMatch("2")]}


async def test_where_answers_are_out_of_step_an_order_that_is_alike_and_not_shown_may_be_the_one(
    journal_run: JournalRun, given: KnownIds
) -> None:
    """Respond to ``ord-1`` with the id of ``B``, and to ``B`` with another: its own row may be the shown one."""
    await sent(journal_run, "ORD-1", ord_1="2", B="3")
    given.take("ord-1", "2", None)
    rows = ("ORD-1", "1"), ("B", "2")
    assert (await sifted(journal_run, given, {"ORD-1"}, *rows)).matches == {
        "ORD-1": [RemoteMatch("1")]
    }  # nothing shows it
    given.suspect("B", "3")
    found = await sifted(journal_run, given, {"ORD-1"}, *rows)
    assert found.matches == {}
    assert "'ord-1'" in found.doubt_of("ORD-1")
    assert given.suspects == {"B": "3", "ord-1": "2"}


async def test_a_list_that_shows_one_of_ours_in_another_spelling_keeps_none(
    journal_run: JournalRun, given: KnownIds
) -> None:
    await sent(journal_run, "ord-1", "ORD-1", "ord-2")
    found = await sifted(journal_run, given, {"ord-1", "ORD-1", "ord-2"}, ("ORD-1", "1"), ("ORD-2", "2"), ("kept", "3"))
    assert found.matches == {}
    assert found.held.keys() == {"ord-1", "ORD-1"}
