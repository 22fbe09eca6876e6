"""Ordering by the thousand over real HTTP: what really was created, whatever goes wrong."""

from __future__ import annotations

from collections import Counter

import pytest

from octoffm_async import Created, Failed, Refused, Skipped, Unknown
from octoffm_async.bulk.outcomes import Outcome
from octoffm_async.sandbox import Fault
from tests.support.items import order, orders, serving


async def outcomes_of(client, items, **options) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    async with client.bulk.create_outbound(items, **options) as run:
        async for outcome in run:
            assert outcome.key not in found
            found[outcome.key] = outcome
    return found


@pytest.mark.parametrize(
    ("fault", "value", "kind", "effects", "calls"),
    [
        (Fault.LATENCY, 0.01, Created, 1, 1),
        (Fault.THROTTLE, 0.0, Created, 1, 2),
        (Fault.TOKEN_EXPIRED, None, Created, 1, 2),
        (Fault.UNKNOWN_VALUES, None, Created, 1, 1),
        (Fault.ERROR_500, None, Unknown, 0, 1),
        (Fault.UNAVAILABLE_HTML, None, Unknown, 0, 1),
        (Fault.RESET_BEFORE, None, Unknown, 0, 1),
        (Fault.RESET_AFTER, None, Unknown, 1, 1),
        (Fault.MALFORMED_JSON, None, Unknown, 1, 1),
        (Fault.TRUNCATED, None, Unknown, 1, 1),
        (Fault.HTML_200, None, Unknown, 0, 1),
    ],
    ids=lambda value: value.value if isinstance(value, Fault) else "",
)
async def test_what_goes_wrong_is_reported_truly_and_no_order_is_made_twice(
    fault: Fault, value: float | None, kind: type, effects: int, calls: int
) -> None:
    async with serving() as (sandbox, client):
        sandbox.faults.next(fault, operation="outbound.create", value=value)
        outcomes = await outcomes_of(client, orders(1))
        assert type(outcomes["O-0"]) is kind
        assert sandbox.effects.outbound["O-0"] == effects
        assert len([arrival for arrival in sandbox.arrivals if arrival.operation == "outbound.create"]) <= calls


async def test_a_storm_of_faults_makes_no_order_twice_and_reports_nothing_false() -> None:
    rates = {
        Fault.THROTTLE: (0.1, 0.0),
        Fault.ERROR_500: 0.1,
        Fault.RESET_BEFORE: 0.05,
        Fault.RESET_AFTER: 0.05,
        Fault.TRUNCATED: 0.05,
        Fault.HTML_200: 0.05,
    }
    items = [*orders(120), order("O-1"), order("bad", quantity=0)]
    async with serving() as (sandbox, client):
        sandbox.faults.set_rates(rates, operations=["outbound.create"])
        sandbox.faults.next(Fault.TOKEN_EXPIRED, operation="outbound.create")
        found = Counter[str]()
        kinds: dict[str, set[type]] = {}
        async with client.bulk.create_outbound(items) as run:
            async for outcome in run:
                found[outcome.key] += 1
                kinds.setdefault(outcome.key, set()).add(type(outcome))
        effects = sandbox.effects.outbound
    assert found == Counter(item.reference for item in items)
    assert max(effects.values()) == 1
    for key, outcome_types in kinds.items():
        if Created in outcome_types:
            assert effects[key] == 1
        elif Unknown not in outcome_types:
            assert effects[key] == 0
        assert outcome_types <= {Created, Unknown, Skipped} or key == "bad"
    assert run.summary.unknown > 10
    assert run.summary.total == len(items)


async def test_what_the_api_refuses_is_refused_with_its_reason() -> None:
    async with serving() as (sandbox, client):
        outcomes = await outcomes_of(client, [order("x" * 51), order("fine")])  # longer than the sandbox takes
        refused = outcomes["x" * 51]
        assert isinstance(refused, Refused)
        assert "51" in refused.message
        assert isinstance(outcomes["fine"], Created)
        assert sandbox.effects.outbound == {"fine": 1}


async def test_an_api_that_is_down_fails_what_was_not_sent() -> None:
    async with serving() as (sandbox, client):
        await client.check()
        await sandbox.stop()
        outcomes = await outcomes_of(client, orders(3))
        assert {type(outcome) for outcome in outcomes.values()} == {Failed}


@pytest.mark.parametrize("creation_answer", ["body", "location", "content-location"])
async def test_ids_are_found_wherever_the_answer_has_them(creation_answer: str) -> None:
    async with serving(creation_answer=creation_answer) as (_, client):
        outcomes = await outcomes_of(client, orders(5))
        for key, outcome in outcomes.items():
            assert isinstance(outcome, Created)
            assert (await client.outbound.get(outcome.id)).reference == key


async def test_a_run_orders_for_its_own_seller() -> None:
    async with serving() as (sandbox, client):
        await outcomes_of(client.seller("98980"), orders(3))
        assert len(sandbox.effects.of("98980").outbound) == 3
        assert not sandbox.effects.of("12345").outbound
