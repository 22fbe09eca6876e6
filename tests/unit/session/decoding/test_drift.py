"""Drift: each difference is told once, by event, warning and counter, and their number is bounded."""

from __future__ import annotations

import logging

import pytest

from octoffm_async import FulfillmentClient
from octoffm_async.events import ContractDrift, Event
from octoffm_async.session.decoding.drift import MOST, DriftLog, sentence
from tests.support.fakes import FakeTransport, answer, config

ROW = {"id": "S-1", "shelf": "A", "quantities": {"Available": "3"}}


async def test_a_client_tells_each_difference_once_whatever_number_of_calls(caplog: pytest.LogCaptureFixture) -> None:
    received: list[Event] = []
    transport = FakeTransport(lambda sent: answer(200, [ROW]))
    with caplog.at_level(logging.WARNING, "octoffm_async"):
        async with FulfillmentClient(config(), transport=transport, hooks=[received.append]) as client:
            for _ in range(3):
                await client.stocks.list()
            other = client.seller("98980")
            await other.stocks.list()
            assert client.stats().drift == 2
    reported = [event for event in received if isinstance(event, ContractDrift)]
    assert {(each.operation, each.path, each.kind, each.found) for each in reported} == {
        ("stocks.list", "shelf", "unknown", "string"),
        ("stocks.list", "quantities.available", "type", "string"),
    }
    assert len(reported) == len([record for record in caplog.records if record.name == "octoffm_async"]) == 2


async def test_a_hook_that_fails_costs_no_answer() -> None:
    def fail(event: Event) -> None:
        raise RuntimeError(type(event).__name__)

    transport = FakeTransport(lambda sent: answer(200, [ROW]))
    async with FulfillmentClient(config(), transport=transport, hooks=[fail]) as client:
        assert (await client.stocks.list()).items[0].quantities.available == 3


def test_the_number_of_differences_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    received: list[ContractDrift] = []
    log = DriftLog(received.append)
    with caplog.at_level(logging.WARNING, "octoffm_async"):
        for number in range(MOST + 50):
            log.note("stocks.list", {(f"field-{number}", "unknown"): "string"})
    assert len(received) == len(log.seen) == MOST
    assert len(caplog.records) == MOST + 1


def test_the_same_difference_of_another_operation_is_another() -> None:
    log = DriftLog(lambda drift: None)
    assert log.note("stocks.list", {("gtin", "type"): "integer"}) == 1
    assert log.note("stocks.get", {("gtin", "type"): "integer"}) == 1
    assert log.note("stocks.get", {("gtin", "type"): "number"}) == 0


@pytest.mark.parametrize("kind", ["missing", "unknown", "type", "value"])
def test_a_difference_is_one_sentence_that_names_operation_path_and_finding(kind) -> None:
    reported = sentence(ContractDrift(operation="stocks.get", path="quantities.available", kind=kind, found="string"))
    assert all(word in reported for word in ("stocks.get", "quantities.available", "string"))
    assert "\n" not in reported
