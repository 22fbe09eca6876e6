"""Which fault affects which call."""

from random import Random

import pytest

from octoffm_async.contract.operations import CREATE_OUTBOUND, CREATE_TOKEN, GET_STOCK, LIST_STOCKS
from octoffm_async.sandbox import Fault, Faults
from octoffm_async.sandbox.faults import InjectedFault, Only


@pytest.fixture
def faults() -> Faults:
    return Faults(Random(1))


def test_nothing_goes_wrong_unless_asked(faults: Faults) -> None:
    assert [faults.draw(LIST_STOCKS) for _ in range(100)] == [None] * 100


def test_scripted_faults_come_in_their_order_so_many_times(faults: Faults) -> None:
    faults.next(Fault.ERROR_500, times=2)
    faults.next(Fault.LATENCY, value=0.5)
    struck = [faults.draw(LIST_STOCKS) for _ in range(4)]
    assert struck == [
        InjectedFault(Fault.ERROR_500, 0),
        InjectedFault(Fault.ERROR_500, 0),
        InjectedFault(Fault.LATENCY, 0.5),
        None,
    ]


def test_a_scripted_fault_waits_for_its_operation(faults: Faults) -> None:
    faults.next(Fault.RESET_AFTER, operation="outbound.create")
    assert faults.draw(LIST_STOCKS) is None
    assert faults.draw(CREATE_OUTBOUND) == InjectedFault(Fault.RESET_AFTER, 0)
    assert faults.draw(CREATE_OUTBOUND) is None


def test_the_token_endpoint_is_hit_only_when_named(faults: Faults) -> None:
    faults.next(Fault.ERROR_500)
    faults.set_rates({Fault.ERROR_500: 1.0})
    assert faults.draw(CREATE_TOKEN) is None
    faults.set_rates({Fault.ERROR_500: 1.0}, operations=["token.create"])
    assert faults.draw(CREATE_TOKEN) == InjectedFault(Fault.ERROR_500, 0)


def test_scripted_faults_take_precedence_over_random_ones(faults: Faults) -> None:
    faults.set_rates({Fault.ERROR_500: 1.0})
    faults.next(Fault.STALL)
    assert [injected.fault for injected in (faults.draw(GET_STOCK), faults.draw(GET_STOCK)) if injected] == [
        Fault.STALL,
        Fault.ERROR_500,
    ]


def test_random_faults_come_at_their_rates(faults: Faults) -> None:
    faults.set_rates({Fault.ERROR_500: 0.2, Fault.LATENCY: (0.1, 3.0)})
    struck = [faults.draw(LIST_STOCKS) for _ in range(10_000)]
    assert 0.18 < struck.count(InjectedFault(Fault.ERROR_500, 0)) / 10_000 < 0.22
    assert 0.08 < struck.count(InjectedFault(Fault.LATENCY, 3.0)) / 10_000 < 0.12
    assert 0.67 < struck.count(None) / 10_000 < 0.73


def test_the_same_seed_gives_the_same_faults() -> None:
    def run(seed: int) -> list[InjectedFault | None]:
        faults = Faults(Random(seed))
        faults.set_rates({Fault.STALL: 0.5})
        return [faults.draw(LIST_STOCKS) for _ in range(50)]

    assert run(3) == run(3) != run(4)


@pytest.mark.parametrize(("only", "hit"), [("reads", LIST_STOCKS), ("writes", CREATE_OUTBOUND)])
def test_rates_may_be_for_reads_or_writes_only(faults: Faults, only: Only, hit: object) -> None:
    faults.set_rates({Fault.ERROR_500: 1.0}, only=only)
    assert [operation for operation in (LIST_STOCKS, CREATE_OUTBOUND) if faults.draw(operation)] == [hit]


def test_rates_may_be_for_some_operations_only_and_replace_each_other(faults: Faults) -> None:
    faults.set_rates({Fault.ERROR_500: 1.0}, operations=["stocks.get"])
    assert (faults.draw(LIST_STOCKS), faults.draw(GET_STOCK)) == (None, InjectedFault(Fault.ERROR_500, 0))
    faults.set_rates({Fault.STALL: 1.0}, operations=["stocks.list"])
    assert (faults.draw(LIST_STOCKS), faults.draw(GET_STOCK)) == (InjectedFault(Fault.STALL, 0), None)


def test_clear_ends_all(faults: Faults) -> None:
    faults.next(Fault.STALL, times=9)
    faults.set_rates({Fault.ERROR_500: 1.0})
    faults.clear()
    assert faults.draw(LIST_STOCKS) is None


def test_mistakes_are_refused(faults: Faults) -> None:
    with pytest.raises(ValueError, match=r"operation = 'outbound\.creat'"):
        faults.next(Fault.STALL, operation="outbound.creat")
    with pytest.raises(ValueError, match="operation = 'nothing'"):
        faults.set_rates({}, operations=["nothing"])
    with pytest.raises(ValueError, match="times = 0"):
        faults.next(Fault.STALL, times=0)
    with pytest.raises(ValueError, match="add up to more than 1"):
        faults.set_rates({Fault.STALL: 0.6, Fault.ERROR_500: 0.6})
    for fault, value in [(Fault.LATENCY, -1), (Fault.SLOW_DRIP, 0), (Fault.SLOW_DRIP, float("inf"))]:
        with pytest.raises(ValueError, match=f"value = {value}"):
            faults.next(fault, value=value)
    with pytest.raises(ValueError, match="below 0"):
        faults.set_rates({Fault.STALL: -0.1})
