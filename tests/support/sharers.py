"""A process that orders through a journal file which others share: :func:`work` has a :class:`Plan` in JSON.

It says when its first order is about to leave; if it lives to the end, it prints a :class:`Report`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter

import msgspec

from octoffm_async import Config, FulfillmentClient, Limit, Skipped, Unknown
from octoffm_async.journal import SQLiteJournal
from tests.support.items import order

BEGUN = b"begun\n"


class Plan(msgspec.Struct, kw_only=True):
    """The orders that all processes have, and the seed of the order in which this one sends them."""

    journal: str
    addresses: dict[str, str]
    keys: list[str]
    seed: int
    lease: float
    patience: float
    pace: int


class Report(msgspec.Struct, kw_only=True):
    outcomes: dict[str, int]
    unknown: dict[str, str]
    error: str = ""


async def main(plan: Plan) -> Report:
    keys = random.Random(plan.seed).sample(plan.keys, len(plan.keys))
    limit = Limit(plan.pace, burst=8)
    config = Config(**plan.addresses, limit=limit, read_timeout=0.3, backoff_base=0.01, backoff_cap=0.1)
    outcomes: Counter[str] = Counter()
    report = Report(outcomes={}, unknown={})
    try:
        async with (
            FulfillmentClient(config, hooks=()) as client,
            SQLiteJournal(plan.journal, lease=plan.lease) as journal,
            client.bulk.create_outbound(
                (order(key, product="SKU-000001") for key in keys),
                journal=journal,
                patience=plan.patience,
                concurrency=8,
            ) as run,
        ):
            os.write(1, BEGUN)
            async for outcome in run:
                earlier = f" {type(outcome.earlier).__name__}" if isinstance(outcome, Skipped) else ""
                outcomes[type(outcome).__name__ + earlier] += 1
                if isinstance(outcome, Unknown):
                    report.unknown[outcome.key] = outcome.reason
    except Exception as raised:  # noqa: BLE001  (the parent is who judges it)
        report.error = repr(raised)
    report.outcomes = dict(outcomes)
    return report


def work() -> int:
    report = asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0
