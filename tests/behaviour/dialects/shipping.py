"""500 orders by a process that is killed in the middle, and by one that goes on where that was."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from octoffm_async import Config, FulfillmentClient, Skipped
from tests.support.forks import Fork
from tests.support.items import order

from .server import Speaking

PRODUCTS = 40
ORDERS = 500
FATAL = 200
"""So many orders exist when the process is killed: the answer to the last one never arrives."""
UNKNOWN = "NO-SUCH-PRODUCT"
BAD_ORDER = 77
"""The order of a product that nobody registered: it is refused later."""
PATIENCE = 2.0
"""Seconds after which what has left and is not visible counts as absent: a busy machine may be that slow."""


def orders() -> list[Any]:
    return [
        order(f"O-{number:03}", product=UNKNOWN if number == BAD_ORDER else f"P-{number % PRODUCTS}")
        for number in range(ORDERS)
    ]


class Shipping(msgspec.Struct):
    """What the process that ships is to do; times are in seconds."""

    settings: dict[str, Any]
    journal: str


def ship() -> int:
    """Ship all orders, and print what became of each; the parent kills it at its will."""

    async def main(work: Shipping) -> dict[str, list[str]]:
        results: dict[str, list[str]] = {}
        async with FulfillmentClient(Config(**work.settings, limit=None), hooks=()) as client:
            run = client.bulk.create_outbound(orders(), journal=work.journal, patience=PATIENCE, follow="shipped")
            async with run:
                async for outcome in run:
                    known = outcome.earlier if isinstance(outcome, Skipped) and outcome.earlier else outcome
                    results[outcome.key] = [type(known).__name__, getattr(known, "code", "")]
        return results

    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Shipping)))))
    return 0


def killed_and_finished(api: Speaking, start: Callable[[], Fork]) -> tuple[int, bytes]:
    """Let a process ship and kill it in the middle, then another; exit code and output of that one."""
    effects = api.sandbox.effects.outbound
    fork: list[Fork] = []

    def kill(operation: str) -> None:
        if operation == "outbound.create" and len(effects) >= FATAL:
            fork[0].kill()

    def hand_over(operation: str) -> None:
        if operation == "outbound.create" and len(effects) == ORDERS:
            api.made = None
            api.sandbox.clock.advance(60)

    api.made = kill
    fork.append(start())
    code, _ = _ended(fork[0])
    assert code == -signal.SIGKILL
    assert FATAL <= len(effects) < ORDERS / 2
    api.made = hand_over
    return _ended(start())


def _ended(fork: Fork) -> tuple[int, bytes]:
    """Exit code and output of a process; what it said on standard error is shown if the test fails."""
    deadline = threading.Timer(40, fork.kill)
    deadline.start()
    try:
        with ThreadPoolExecutor(1) as reader:
            errors = reader.submit(fork.stderr.read)
            results = fork.stdout.read()
            print(errors.result().decode(), end="")
        return fork.wait(), results
    finally:
        deadline.cancel()
