"""Odd references in a run: told before they are sent, counted, and refused on demand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async import Created, Refused, Skipped, ValidationError
from octoffm_async.bulk.odd_references import OddReferences
from octoffm_async.bulk.reconciliation.reference_matching import tidied
from tests.support.fakes import Sent, answer
from tests.support.items import accepted, all_of, fake, order, posted

ODD = ["A-1 ", "B\u200b-1", "Cafe\u0301", "x" * 51]


@pytest.fixture(params=[False, True], ids=["alone", "journal"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "j.sqlite" if request.param else None


async def test_they_are_reported_before_the_first_is_sent_and_counted(
    journal: Path | None, caplog: pytest.LogCaptureFixture
) -> None:
    warnings_when_sent: dict[str, int] = {}

    def script(sent: Sent) -> Any:
        if not sent.url.endswith("/outbound-shipments"):
            return accepted(sent)
        warnings_when_sent[posted(sent)[0]] = len(caplog.records)
        return answer(201, {"outboundShipmentId": f"S-{len(warnings_when_sent)}"})

    client, _ = fake(script)
    with caplog.at_level(logging.WARNING, logger="octoffm_async"):
        async with client:
            run = client.bulk.create_outbound([order("O-1"), *map(order, ODD)], journal=journal)
            outcomes, error = await all_of(run)
    assert error is None
    assert {type(outcome) for outcome in outcomes} == {Created}
    assert all(warnings_when_sent[reference] for reference in ODD)
    first, last = [said for record in caplog.records if "odd reference" in (said := record.getMessage())]
    assert first.startswith("odd reference: 'A-1 ' has leading or trailing spaces: ")
    assert last.startswith("4 odd references in this input, the first: 'A-1 ' has leading or trailing spaces; ")
    assert "\u200b" not in last
    assert run.summary.odd_references == 4


async def test_strict_runs_refuse_them_with_field_and_reason(
    journal: Path | None, caplog: pytest.LogCaptureFixture
) -> None:
    client, transport = fake()
    async with client:
        run = client.bulk.create_outbound([order("O-1"), *map(order, ODD)], journal=journal, strict_references=True)
        outcomes, error = await all_of(run)
        assert error is None
        by_key = {outcome.key: outcome for outcome in outcomes}
        again, _ = await all_of(client.with_options(strict_references=True).bulk.create_outbound([order(ODD[0])]))
    assert isinstance(by_key.pop("O-1"), Created)
    for key, refused in [*by_key.items(), (ODD[0], again[0])]:
        assert isinstance(refused, Refused)
        assert refused.code == "Invalid"
        assert isinstance(refused.error, ValidationError)
        (problem,) = refused.error.problems
        assert (problem.field, problem.value) == ("reference", key)
    assert list(by_key) == ODD
    assert [posted(sent) for sent in transport.sent if "outbound" in sent.url] == [["O-1"]]
    assert not caplog.records


async def test_what_is_created_already_is_not_refused_for_it(tmp_path: Path) -> None:
    client, _ = fake()
    async with client:
        for strict, kind in ((False, Created), (True, Skipped)):
            run = client.bulk.create_outbound([order("A-1 ")], journal=tmp_path / "j.sqlite", strict_references=strict)
            ((outcome,), _) = await all_of(run)
            assert isinstance(outcome, kind)


async def test_a_single_creation_reports_it_too_or_refuses_it(caplog: pytest.LogCaptureFixture) -> None:
    client, transport = fake()
    async with client:
        await client.outbound.create(order("A-1 "))
        assert [record.getMessage() for record in caplog.records] == [
            "odd reference: 'A-1 ' has leading or trailing spaces: an API may keep it in another form"
        ]
        calls = len(transport.sent)
        with pytest.raises(ValidationError, match="has leading or trailing spaces"):
            await client.with_options(strict_references=True).outbound.create(order("A-1 "))
        assert len(transport.sent) == calls


def test_two_that_an_api_may_hold_for_one_are_reported() -> None:
    odd, warned = OddReferences("shipment", "reference"), list[str]()
    odd.on_warning = warned.append
    for reference in ("A-1", "O-2", "a-1", "A-1", "00A-1"):
        odd.look(reference)
    assert odd.count == 2
    assert odd.first == [
        f"{like!r} differs from 'A-1', which came before, only in what an API may drop or change"
        for like in ("a-1", "00A-1")
    ]
    strict = OddReferences("shipment", "reference", strict=True)
    strict.look("A-1")
    strict.look("A-1")
    with pytest.raises(ValidationError, match="differs from 'A-1'"):
        strict.look("a-1")


@given(st.text(st.sampled_from("0aAbB-é\u0301\u200b \t"), min_size=1, max_size=4), st.text(max_size=3))
def test_what_is_alike_is_what_looks_like_it_in_a_list(first: str, second: str) -> None:
    odd = OddReferences("shipment", "reference")
    odd.on_warning = lambda _: None
    odd.look(first)
    assert list(odd._recent) == [tidied(first)]
    odd.look(second)
    assert set(odd._recent) == {tidied(first), tidied(second)}


def test_few_references_are_held() -> None:
    odd = OddReferences("shipment", "reference", compared=10)
    for number in range(1000):
        odd.look(f"O-{number}")
        assert len(odd._recent) <= 10
