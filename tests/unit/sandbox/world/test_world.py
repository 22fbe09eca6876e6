"""What is due happens in order, when somebody looks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random

import pytest

from octoffm_async.sandbox import Clock, Timeline
from octoffm_async.sandbox.world.world import World


@pytest.fixture
def world() -> World:
    return World(sellers=("1", "2"), clock=Clock(speed=0), timeline=Timeline(), rng=Random(1))


def test_events_happen_in_the_order_of_their_time_then_of_their_scheduling(world: World) -> None:
    start, seen = world.clock.now(), list[tuple[str, float]]()

    def note(name: str) -> Callable[[datetime], None]:
        return lambda moment: seen.append((name, (moment - start).total_seconds()))

    for name, seconds in (("late", 5), ("a", 1), ("b", 1), ("never", 99)):
        world.schedule(start + timedelta(seconds=seconds), note(name))
    world.run_due_events()
    assert seen == []
    world.clock.advance(50)
    assert seen == [("a", 1), ("b", 1), ("late", 5)]


def test_what_an_event_schedules_happens_in_its_turn(world: World) -> None:
    start, seen = world.clock.now(), list[str]()

    def first(moment: datetime) -> None:
        seen.append("first")
        world.schedule(moment + timedelta(seconds=1), lambda _: seen.append("second"))

    world.schedule(start + timedelta(seconds=1), first)
    world.schedule(start + timedelta(seconds=3), lambda _: seen.append("third"))
    world.clock.advance(3)
    assert seen == ["first", "second", "third"]


def test_what_is_chosen_happens_now_with_what_it_schedules_and_nothing_else_moves(world: World) -> None:
    start, seen = world.clock.now(), list[tuple[str, float]]()

    def note(name: str, moment: datetime) -> None:
        seen.append((name, (moment - start).total_seconds()))
        if name == "first":
            world.schedule(moment + timedelta(seconds=9), partial(note, "then"))
            world.schedule(moment + timedelta(seconds=9), partial(note, "other"))

    for seconds, name in ((20, "first"), (10, "other"), (30, "first"), (2, "due")):
        world.schedule(start + timedelta(seconds=seconds), partial(note, name))
    world.clock.advance(5)
    done = world.run_now(lambda happen: isinstance(happen, partial) and happen.args[0] in {"first", "then"})
    assert seen == [("due", 2), ("first", 5), ("first", 5), ("then", 5), ("then", 5)]
    assert len(done) == 4
    world.clock.advance(100)
    assert seen[5:] == [("other", 10), ("other", 14), ("other", 14)]


def test_ids_look_like_uuids_and_do_not_repeat(world: World) -> None:
    ids = {world.new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {tuple(map(len, key.split("-"))) for key in ids} == {(8, 4, 4, 4, 12)}


def test_the_first_seller_is_meant_when_none_is_named(world: World) -> None:
    assert world.account(None) is world.account("1") is not world.account("2")


def test_a_world_needs_a_seller() -> None:
    with pytest.raises(ValueError, match="at least one seller"):
        World(sellers=(), clock=Clock(), timeline=Timeline(), rng=Random(1))
