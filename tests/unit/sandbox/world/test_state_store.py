"""A sandbox that goes on where another ended."""
# ruff: noqa: ASYNC240  (the files are tiny, and nothing else waits)

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octoffm_async.sandbox import Fault, Inspection, Sandbox, SandboxProcess, StateFileError
from octoffm_async.sandbox.world.state_file import StateFile

from .. import supplies
from ..api import SECOND, Api, line, product
from ..conftest import Serve
from ..shipped import announce, announced, shipped, stocked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state"


async def everything(api: Api) -> dict[str, Any]:
    return {
        "shipments": [row for page in await api.walk("/outbound-shipments", limit=7) for row in page],
        "references": await api.references(),
        "stocks": (await api.get("/stocks", limit=1000)).json,
        "by change": (await api.get("/stocks", limit=1000, updatedAtMin="2000-01-01T00:00:00Z")).json,
        "effects": api.sandbox.effects.as_dict(),
        "second": api.sandbox.effects.of(SECOND).as_dict(),
        "time": api.sandbox.clock.now(),
    }


async def test_all_that_exists_goes_on(serve: Serve, path: Path) -> None:
    old = await serve(state_file=path, seed=3)
    await old.register(product(1), product(2, productCondition="LikeNew"))
    old.sandbox.add_stock(quantity=9)
    await old.order("SHIPPED", lines=[line("REF-1", 2)])
    old.sandbox.clock.advance(40)
    await old.order("REFUSED", lines=[line("NONE")])
    old.sandbox.clock.advance(3)
    await old.as_seller(SECOND).order("OTHER")
    key = await old.order("PENDING", lines=[line("REF-2", 1)])
    before = await everything(old)
    await old.sandbox.stop()

    new = await serve(state_file=path)
    assert await everything(new) == before
    new.sandbox.clock.advance(30)
    assert (await new.shipment(key))["status"] == "Shipped"
    assert (await new.stock("REF-2"))["quantities"]["Available"] == 8


async def test_every_kind_of_pending_step_goes_on(serve: Serve, path: Path) -> None:
    old = await stocked(await serve(state_file=path, inspection=Inspection(damaged=1)))
    sent_back = await shipped(old)
    inspected = await announced(old, sent_back)
    old.sandbox.clock.advance(0.5)
    supplied = await supplies.create(old, lines=[line("REF-1", 9)])
    old.sandbox.clock.advance(11)
    recent = await announced(old, sent_back)
    refused = await old.order("CANCELLED", lines=[line("REF-2", 1)])
    asked = await old.post("/outbound-cancellation-requests", {"outboundShipmentId": refused, "reason": "x"})
    request = asked.json["outboundCancellationRequestId"]
    paths = [
        f"/returns/{inspected}",
        f"/returns/{recent}",
        f"/inbound-shipments/{supplied}",
        f"/outbound-shipments/{refused}",
        f"/outbound-cancellation-requests/{request}",
        "/stocks?limit=9",
    ]
    await old.post(old.sandbox.control_url + "/save", {})
    new = await serve(state_file=shutil.copy(path, path.with_name("copy")), inspection=Inspection(damaged=1))
    for seconds in (0, 1, 5, 20, 86_400):
        for api in (old, new):
            api.sandbox.clock.advance(seconds)
        assert [(await new.get(part)).json for part in paths] == [(await old.get(part)).json for part in paths]
    ends = [(await new.get(part)).json["status"] for part in paths[:-1]]
    assert ends == ["Completed", "Completed", "Received", "Cancelled", "Accepted"]
    assert await supplies.create(new) != supplied
    assert (await new.get("/inbound-shipments", limit=1000)).json["items"][-1]["code"] == "IS-000002"
    assert (await announce(new, sent_back, line("REF-1", 9))).status == (
        await announce(old, sent_back, line("REF-1", 9))
    ).status


async def test_ids_go_on_as_if_nothing_had_happened(serve: Serve, path: Path) -> None:
    whole = await serve(seed=5)
    uninterrupted = [await whole.order() for _ in range(4)]
    first = await serve(seed=5, state_file=path)
    keys = [await first.order() for _ in range(2)]
    await first.sandbox.stop()
    second = await serve(seed=5, state_file=path)
    keys += [await second.order() for _ in range(2)]
    assert keys == uninterrupted


async def test_a_hidden_row_stays_hidden_until_its_time(serve: Serve, path: Path) -> None:
    old = await serve(state_file=path)
    old.sandbox.faults.next(Fault.LATE_VISIBILITY)
    key = await old.order()
    await old.sandbox.stop()
    new = await serve(state_file=path)
    assert (await new.get(f"/outbound-shipments/{key}")).status == 404
    new.sandbox.clock.advance(5)
    assert (await new.shipment(key))["reference"] == "ORDER-1"


async def test_a_cursor_of_before_is_good_after(serve: Serve, path: Path) -> None:
    old = await serve(state_file=path)
    keys = [await old.order(f"ORDER-{number}") for number in range(3)]
    page = await old.get("/outbound-shipments", limit=1)
    await old.sandbox.stop()
    new = await serve(state_file=path)
    assert page.next is not None
    assert (await new.get(page.next)).json["items"][0]["outboundShipmentId"] == keys[1]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(st.integers(1, 5), st.floats(0, 20)), max_size=12))
async def test_any_history_goes_on_the_same(
    tmp_path_factory: pytest.TempPathFactory, serve: Serve, steps: list[Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "state"
    old = await serve(state_file=path)
    await old.register(product(1))
    old.sandbox.add_stock(quantity=8)
    for step in steps:
        if isinstance(step, int):
            await old.order(f"ORDER-{step}", lines=[line(quantity=step)])
        else:
            old.sandbox.clock.advance(step)
    before = await everything(old)
    await old.sandbox.stop()
    new = await serve(state_file=shutil.copy(path, path.with_name("copy")))
    assert await everything(new) == before
    for api in (old, new):
        api.sandbox.clock.advance(100)
    await old.sandbox.start()
    after = await everything(old)
    assert await everything(new) == after


async def test_an_outage_loses_nothing_and_loads_nothing(path: Path) -> None:
    sandbox = Sandbox(state_file=path, catalogue=2)
    async with sandbox:
        sandbox.add_stock("SKU-000001", quantity=5)
    path.unlink()
    async with sandbox:
        assert sandbox.stats()["total"] == 0
    assert path.exists()


@pytest.mark.parametrize("content", [b"my diary", b'{"format":"octoffm-sandbox-state","version":9,"sha256":""}\n{}\n'])
async def test_a_file_that_cannot_be_loaded_survives(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sandbox = Sandbox(state_file=path)
    for _ in range(2):
        with pytest.raises(StateFileError, match="state file"):
            async with sandbox:
                pass
    assert path.read_bytes() == content


async def test_a_file_with_an_unknown_event_survives(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox(state_file=path, speed=0) as sandbox:
        import aiohttp

        async with aiohttp.ClientSession() as http:
            await (await Api(sandbox, http).login()).order()
    content = path.read_bytes()
    monkeypatch.delitem(registered_events(), "shipping._accept")
    sandbox = Sandbox(state_file=path)
    for _ in range(2):
        with pytest.raises(StateFileError, match=r"does not fit this version: unknown event 'shipping\._accept'"):
            await sandbox.start()
        await sandbox.stop()
    assert path.read_bytes() == content


def registered_events() -> dict[str, Any]:
    from octoffm_async.sandbox.world.scheduled_events import SCHEDULED_EVENTS

    return SCHEDULED_EVENTS


async def test_a_control_order_saves_at_once(serve: Serve, path: Path) -> None:
    api = await serve(state_file=path)
    await api.order("ORDER-1")
    assert not path.exists()
    answer = await api.post(api.sandbox.control_url + "/save", {})
    assert (answer.status, answer.json) == (200, {"state_file": str(path)})
    twin = await serve(state_file=shutil.copy(path, path.with_name("copy")))
    assert twin.sandbox.effects.outbound == {"ORDER-1": 1}


async def test_a_sandbox_without_a_file_says_so(api: Api) -> None:
    answer = await api.post(api.sandbox.control_url + "/save", {})
    assert (answer.status, answer.json) == (400, {"error": "this sandbox has no state file"})


async def test_a_process_keeps_its_state_too(path: Path) -> None:
    async with SandboxProcess(state_file=path, catalogue=3, speed=0) as sandbox:
        await sandbox.advance(1000)
        await sandbox.save()
        first = path.read_bytes()
        await sandbox.advance(1000)
    assert path.read_bytes() != first
    async with Sandbox(state_file=path, speed=0) as here:
        here.add_stock("SKU-000003", quantity=1)


async def test_a_process_reports_a_bad_file_in_one_line(path: Path) -> None:
    path.write_bytes(b"my diary")
    with pytest.raises(Exception, match=r"octoffm sandbox: state file .* is not a state file") as caught:
        await SandboxProcess(state_file=path).start()
    assert "Traceback" not in str(caught.value)


async def test_a_file_that_spells_quantities_in_camel_case_is_read(serve: Serve, path: Path) -> None:
    old = await serve(state_file=path)
    await old.register(product(1), product(2))
    old.sandbox.add_stock("REF-2", quantity=9, country="ES")
    before = (await old.get("/stocks", limit=10)).json
    await old.sandbox.stop()
    content = StateFile(path).read()
    assert content is not None
    for kind in ("Available", "Allocated", "Blocked", "Litigation", "Removal", "Return", "LogisticOperations"):
        content = content.replace(f'"{kind}":'.encode(), f'"{kind[0].lower()}{kind[1:]}":'.encode())
    path.unlink()
    StateFile(path).write(content)
    new = await serve(state_file=path)
    assert (await new.get("/stocks", limit=10)).json == before
