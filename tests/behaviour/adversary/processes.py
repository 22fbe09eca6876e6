"""Trials in processes of their own: the library, killed at some request, and the command."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec

from tests.support.fakes import SECRET
from tests.support.forks import Fork, Forks
from tests.support.inside import PostgresJournal

from .campaign import HANG, Place, Way, one_run, order, shifted_clock
from .judge import ReportedOutcome
from .server import Adversary

PATIENCE = 0.4
"""Seconds; what a killed process has sent arrives within."""
COMMAND_PATIENCE = 0.3
LEASE = 5.0
"""Seconds after which PostgreSQL's other writers go on with what a killed process had; in a file they see its death."""
OUTCOMES = {"already": "Created", "created": "Created", "refused": "Refused", "failed": "Failed", "unknown": "Unknown"}
"""What the command's words are in the library."""
CODES = {0: {"Created"}, 1: {"Created", "Refused", "Failed"}, 3: {"Created", "Refused", "Failed", "Unknown"}}
"""Exit codes of the command, and which outcomes it may have with them."""


class Plan(msgspec.Struct):
    """What a process is to send, and how much our clock is ahead in it."""

    origin: str
    items: list[str]
    journal: str
    patience: float
    ahead: float


def work() -> int:
    """Send the orders by one run, and print what it told of each; the parent kills the process at its will."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    real = time.time
    with shifted_clock(lambda: real() + plan.ahead) if plan.ahead else nullcontext():
        reported = asyncio.run(_sent(plan))
    sys.stdout.buffer.write(msgspec.json.encode(reported))
    return 0


async def _sent(plan: Plan) -> dict[str, ReportedOutcome]:
    if "://" not in plan.journal:
        return await one_run(plan.origin, plan.items, plan.journal, patience=plan.patience)
    async with PostgresJournal(plan.journal, lease=LEASE) as journal:
        return await one_run(plan.origin, plan.items, journal, patience=plan.patience)


def by_process(forks: Forks, *, patience: float = PATIENCE) -> Way:
    """Send by a run of the library in another process."""

    async def way(server: Adversary, items: Sequence[str], place: Place) -> dict[str, ReportedOutcome]:
        code, reported, errors = await _ended(_start(forks, server, items, place.journal, patience))
        assert code == 0, errors
        return msgspec.json.decode(reported, type=dict[str, ReportedOutcome])

    return way


def killed(
    forks: Forks, *, kills: int, rng: random.Random, patience: float = PATIENCE
) -> Callable[[Adversary, Sequence[str], Place], Awaitable[None]]:
    """Run so often, and kill each run (SIGKILL) at one of its requests, or shortly after; some live to their end."""

    async def before(server: Adversary, items: Sequence[str], place: Place) -> None:
        for _ in range(kills):
            child = _start(forks, server, items, place.journal, patience)
            left = rng.randint(1, rng.choice((12, len(items))))
            delay = rng.choice((0.0, 0.001, 0.005))

            def watch(_: str) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    asyncio.get_running_loop().call_later(delay, child.kill)  # noqa: B023  (unset below)

            server.watch = watch
            try:
                code, _, errors = await _ended(child)
            finally:
                server.watch = lambda _: None
            assert code in (0, -signal.SIGKILL), errors
            server.answered.clear()  # what a killed process has read, nobody knows

    return before


def by_command(forks: Forks) -> Way:
    """Send by ``octoffm orders create FILE`` with a journal."""

    async def way(server: Adversary, items: Sequence[str], place: Place) -> dict[str, ReportedOutcome]:
        file = place.folder / "orders.jsonl"
        file.write_bytes(b"\n".join(msgspec.json.encode(order(each)) for each in items))
        settings = {
            "OCTOFFM_CLIENT_ID": "client",
            "OCTOFFM_CLIENT_SECRET": SECRET,
            "OCTOFFM_SELLER_ID": "12345",
            "OCTOFFM_BASE_URL": f"{server.origin}/seller/v2",
            "OCTOFFM_TOKEN_URL": f"{server.origin}/token",
            "PATH": "",
        }
        options = ["--journal", place.journal, "--patience", str(COMMAND_PATIENCE), "--rate", "off", "--timeout", "5"]
        arguments = ["octoffm", "orders", "create", str(file), "--json", *options]
        child = forks.start("octoffm_async.cli.app:run", arguments, cwd=place.folder, env=settings)
        code, printed, errors = await _ended(child)
        reported = {
            event["key"]: _reported(event)
            for event in map(msgspec.json.decode, printed.splitlines())
            if "outcome" in event
        }
        assert "Traceback" not in errors, errors
        assert {one.what for one in reported.values()} <= CODES.get(code, set()), f"exit code {code}: {reported}"
        return reported

    return way


def _reported(event: dict[str, Any]) -> ReportedOutcome:
    return ReportedOutcome(OUTCOMES.get(event["outcome"], event["outcome"]), event.get("id"), event.get("message", ""))


def _start(forks: Forks, server: Adversary, items: Sequence[str], journal: str, patience: float) -> Fork:
    plan = Plan(server.origin, list(items), journal, patience, server.our_clock_ahead)
    return forks.start("tests.behaviour.adversary.processes:work", ["work", msgspec.json.encode(plan).decode()])


async def _ended(child: Fork) -> tuple[int, bytes, str]:
    """Its exit code, and what it printed; it is killed if it hangs."""
    try:
        async with asyncio.timeout(HANG):
            printed, errors = await asyncio.gather(
                asyncio.to_thread(child.stdout.read), asyncio.to_thread(child.stderr.read)
            )
    except BaseException:
        child.kill()
        raise
    return await asyncio.to_thread(child.wait), printed, errors.decode()
