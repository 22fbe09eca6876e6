"""The adversary's judge can fail: clients that believe what they should not are found out."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from .campaign import campaign, order
from .judge import ReportedOutcome
from .lies.catalogue import named
from .lies.lie import Lie
from .server import ORDERS, Adversary

pytestmark = pytest.mark.one_loop

Believer = Callable[[aiohttp.ClientResponse, Any], str | None]


def outgoing_orders(*, most: int, at_last: str = "", believe: Believer | None = None) -> Any:
    """A way of a naive client: it sends up to so often, and tells this of what was never answered well."""

    async def way(server: Adversary, items: Any, _: Path) -> dict[str, ReportedOutcome]:
        if server.memory.setdefault("sent", False):
            return server.memory["told"]
        server.memory["sent"] = True
        reported = server.memory["told"] = {}
        async with aiohttp.ClientSession() as session:
            for reference in items:
                for _ in range(most):
                    made = await sent(session, server.origin, reference, believe or by_id)
                    if made is not None:
                        reported[reference] = ReportedOutcome("Created", made)
                        break
                else:
                    if at_last:
                        reported[reference] = ReportedOutcome(at_last, reason="its answer was lost")
        return reported

    return way


async def sent(session: aiohttp.ClientSession, origin: str, reference: str, believe: Believer) -> str | None:
    timeout = aiohttp.ClientTimeout(total=0.1)
    body = json.dumps({"reference": reference, "lines": [order(reference).lines[0].quantity]})
    try:
        async with session.post(f"{origin}{ORDERS}", data=body, timeout=timeout) as answer:
            return believe(answer, await answer.read()) if answer.ok else None
    except (aiohttp.ClientError, TimeoutError):
        return None


def by_id(_: aiohttp.ClientResponse, body: Any) -> str | None:
    return str(json.loads(body)["outboundShipmentId"])


def any_success(_: aiohttp.ClientResponse, body: Any) -> str | None:
    return "login" if body.startswith(b"<html") else by_id(_, body)


CASES: list[tuple[str, list[Lie], Any]] = [
    ("doubled", [], outgoing_orders(most=20)),
    ("told nothing", [], outgoing_orders(most=1)),
    ("told Failed, but it was created", [], outgoing_orders(most=1, at_last="Failed")),
    ("needlessly undecided", [], outgoing_orders(most=1, at_last="Unknown")),
    ("told Created, which is false", named("login_page"), outgoing_orders(most=20, believe=any_success)),
    ("told Created, which is false", named("ids_of_others"), outgoing_orders(most=20)),
    ("told Created, which is false", named("shifted"), outgoing_orders(most=20)),
    ("lost", named("sentence_as_id"), outgoing_orders(most=1, at_last="Unknown")),
]


@pytest.mark.parametrize(("fault", "lies", "way"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
async def test_a_naive_client_is_found_out(fault: str, lies: list[Lie], way: Any, tmp_path: Path) -> None:
    finding = await campaign(lies, tmp_path, seed=5, way=way)
    assert finding.faults.keys() >= {fault}, str(finding)
    assert "raises" not in finding.faults


async def test_a_client_that_hangs_or_breaks_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging(*_: Any) -> dict[str, ReportedOutcome]:
        await asyncio.sleep(3600)
        return {}

    async def breaking(*_: Any) -> dict[str, ReportedOutcome]:
        raise RuntimeError("broken")

    monkeypatch.setattr("tests.behaviour.adversary.campaign.HANG", 0.01)
    ways: list[tuple[str, Callable[..., Awaitable[dict[str, ReportedOutcome]]]]] = [
        ("hangs", hanging),
        ("raises", breaking),
    ]
    for fault, way in ways:
        finding = await campaign([], tmp_path, seed=5, way=way)
        assert fault in finding.faults
        assert "lost" in finding.faults


async def test_what_was_asked_for_twice_and_created_once_is_no_fault(tmp_path: Path) -> None:
    async def all_reported(server: Adversary, items: Any, _: Path) -> dict[str, ReportedOutcome]:
        for reference in random.Random(1).sample(items, len(items)):
            if reference not in server.truth:
                server.create(reference)
        return {reference: ReportedOutcome("Created", ids[0]) for reference, ids in server.truth.items()}

    finding = await campaign([], tmp_path, seed=5, way=all_reported)
    assert not finding.faults
    assert finding.runs == 2
