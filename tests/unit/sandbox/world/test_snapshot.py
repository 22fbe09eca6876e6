"""A world as bytes: what comes back is what was there, and what cannot be kept is told."""

import ast
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

import octoffm_async.sandbox
from octoffm_async.sandbox import Clock, Timeline
from octoffm_async.sandbox.world.scheduled_events import SCHEDULED_EVENTS
from octoffm_async.sandbox.world.snapshot import ACCOUNT_FIELDS, restore_snapshot, take_snapshot
from octoffm_async.sandbox.world.world import SellerAccount, World

START = datetime(2026, 1, 1, tzinfo=UTC)


def world(*sellers: str) -> World:
    return World(sellers=sellers or ("1",), clock=Clock(speed=0), timeline=Timeline(), rng=Random(1))


def test_every_part_of_an_account_is_kept() -> None:
    account = SellerAccount("1")
    plain = set(vars(account)) - set(account.tables()) - {"seller"}
    assert plain <= set(ACCOUNT_FIELDS), "name its type in snapshot.ACCOUNT_FIELDS, or it is lost"


def test_every_table_knows_the_type_of_its_rows() -> None:
    for name, table in SellerAccount("1").tables().items():
        assert issubclass(table.row_type, msgspec.Struct), name


def test_every_part_of_a_world_is_kept_or_a_setting() -> None:
    kept = {"accounts", "clock", "effects", "_rng", "_events", "_numbers", "_last_number"}
    settings = {"timeline", "reception", "inspection", "_ids"}
    assert set(vars(world())) <= kept | settings, "keep it in snapshot.py, or it is lost"


def test_whatever_is_scheduled_can_be_kept() -> None:
    folder = Path(octoffm_async.sandbox.__file__).parent
    scheduled: list[str] = []
    marked: set[str] = set()
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and "@scheduled_event(" in "".join(
                f"@{ast.unparse(decorator)}" for decorator in node.decorator_list
            ):
                marked.add(f"{path.stem}.{node.name}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "schedule":
                event: Any = node.args[1]
                if path.stem == "snapshot":
                    continue  # it schedules again what it has read
                assert ast.unparse(event).startswith("partial("), f"{path.name}:{node.lineno}: not a partial"
                scheduled.append(f"{path.stem}.{ast.unparse(event.args[0])}")
    assert "shipment_lifecycle._accept" in scheduled
    assert len(SCHEDULED_EVENTS) == len(marked)
    unmarked = sorted(set(scheduled) - marked)
    assert not unmarked, f"mark these with @scheduled_event, or a state file cannot hold them: {unmarked}"


def test_generators_and_the_clock_go_on() -> None:
    old, generator = world(), Random(5)
    generator.random()
    old.clock.advance(86_400.000001)
    content = take_snapshot(old, {"ids": generator})
    new, other = world(), Random(6)
    restore_snapshot(new, {"ids": other}, content)
    assert other.random() == generator.random()
    assert new.clock.now() == old.clock.now()


def test_a_running_clock_never_lags_behind_the_real_one() -> None:
    past = world()
    past.clock.resume(START)
    running = World(sellers=("1",), clock=Clock(speed=1), timeline=Timeline(), rng=Random(1))
    restore_snapshot(running, {}, take_snapshot(past, {}))
    assert abs(running.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    ahead = world()
    ahead.clock.advance(1e6)
    restore_snapshot(running, {}, take_snapshot(ahead, {}))
    assert running.clock.now() >= ahead.clock.now()


def test_sellers_of_the_file_and_of_the_settings_are_both_there() -> None:
    new = world("2", "3")
    restore_snapshot(new, {}, take_snapshot(world("1", "2"), {}))
    assert list(new.accounts) == ["2", "3", "1"]
    assert new.first_seller == "2"
    assert new.effects.of("1").outbound == {}


def no_event(_: datetime) -> None: ...


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (no_event, "an event is partial"),
        (partial(no_event), "no_event cannot be stored: it is not marked"),
        (partial(SCHEDULED_EVENTS["shipping._ship"], object()), "is neither the world nor an account"),
        (partial(SCHEDULED_EVENTS["shipping._ship"], True), "is neither the world nor an account"),
        (partial(SCHEDULED_EVENTS["shipping._ship"], account=1), "positional arguments"),
    ],
)
def test_an_event_that_cannot_be_kept_is_reported(event: Any, said: str) -> None:
    eventful = world()
    eventful.schedule(eventful.clock.now() + timedelta(seconds=1), event)
    with pytest.raises(TypeError, match=said):
        take_snapshot(eventful, {})


def changed(content: bytes, *path: str | int, to: object) -> bytes:
    whole = msgspec.json.decode(content)
    part = whole
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = to
    return msgspec.json.encode(whole)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("accounts", "1", "ledgers", "unheard"), {"keys": [], "rows": [], "changes": [], "hidden": []}),
        (("accounts", "1", "ledgers", "stocks", "keys"), ["a"]),
        (("accounts", "1", "ledgers", "stocks", "changes"), [[0, "2026-01-01T00:00:00Z"]]),
        (("accounts", "1", "ledgers", "stocks", "hidden"), ["a"]),
        (("accounts", "1", "fields", "unheard"), []),
        (("accounts", "1", "fields", "seller"), "2"),
        (("accounts", "1", "effects", "unheard"), {}),
        (("events",), [["2026-01-01T00:00:00Z", "os.system", ["ls"]]]),
        (("events",), [["2026-01-01T00:00:00Z", "shipping._ship", [[]]]]),
        (("now",), "yesterday"),
        (("generators", "ids"), [3, [1], None]),
    ],
)
def test_what_does_not_fit_is_refused(path: tuple[str | int, ...], to: object) -> None:
    content = take_snapshot(world(), {"ids": Random(1)})
    fields = msgspec.json.decode(content)["events"]
    assert fields == []
    with pytest.raises((ValueError, LookupError, TypeError)):
        restore_snapshot(world(), {"ids": Random(1)}, changed(content, *path, to=to))
