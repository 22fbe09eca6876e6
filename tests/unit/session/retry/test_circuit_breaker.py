"""The circuit: who waits, who fails at once, and that one call at a time probes."""

from __future__ import annotations

import asyncio
import random

import pytest

from octoffm_async.errors import CircuitOpenError
from octoffm_async.session.retry.circuit_breaker import FIRST_PAUSE, Circuit
from tests.support.fakes import config

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def reported() -> list[str]:
    return []


@pytest.fixture
def circuit(reported: list[str]) -> Circuit:
    return Circuit(config(backoff_cap=8.0), random.Random(1), lambda state, reason: reported.append(state))


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_an_interactive_call_fails_at_once_and_is_told_when_the_next_try_is(circuit: Circuit) -> None:
    circuit.failed("down")
    with pytest.raises(CircuitOpenError) as caught:
        await circuit.enter("interactive", now() + 60)
    assert 0 < caught.value.wait <= FIRST_PAUSE


async def test_a_bulk_call_waits_for_the_pause_and_becomes_the_probe(circuit: Circuit) -> None:
    circuit.failed("down")
    started = now()
    assert await circuit.enter("bulk", now() + 60)
    assert 0.5 * FIRST_PAUSE <= now() - started <= FIRST_PAUSE + 0.01
    assert circuit.state == "probing"


async def test_one_call_probes_and_the_others_wait_for_what_it_finds(circuit: Circuit, reported: list[str]) -> None:
    circuit.failed("down")
    waiting = [asyncio.create_task(circuit.enter("bulk", now() + 60)) for _ in range(50)]
    await asyncio.sleep(2)
    assert sum(task.done() for task in waiting) == 1
    circuit.succeeded()
    assert sum(await asyncio.gather(*waiting)) == 1
    assert reported == ["open", "probing", "closed"]


async def test_each_probe_that_fails_doubles_the_pause_up_to_the_cap(circuit: Circuit) -> None:
    pauses: list[float] = []
    circuit.failed("down")
    for _ in range(6):
        started = now()
        assert await circuit.enter("bulk", now() + 60)
        pauses.append(now() - started)
        circuit.failed("the probe failed")
    for pause, bound in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert 0.5 * bound <= pause <= bound + 0.01


async def test_after_a_success_pauses_are_short_again(circuit: Circuit) -> None:
    for _ in range(5):
        circuit.failed("down")
    circuit.succeeded()
    circuit.failed("down")
    started = now()
    await circuit.enter("bulk", now() + 60)
    assert now() - started <= FIRST_PAUSE + 0.01


async def test_a_bulk_call_whose_deadline_comes_first_does_not_wait(circuit: Circuit) -> None:
    circuit.failed("down")
    with pytest.raises(CircuitOpenError):
        await circuit.enter("bulk", now() + 0.1)


async def test_a_probe_that_was_given_up_lets_the_next_call_probe(circuit: Circuit) -> None:
    circuit.failed("down")
    assert await circuit.enter("bulk", now() + 60)
    waiting = asyncio.create_task(circuit.enter("bulk", now() + 60))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    circuit.unproven()
    assert await waiting
