"""Try lies by hand: ``python -m tests.behaviour.adversary --lie NAME [--lie NAME] [--seed N]``.

Without a lie, each is tried alone.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from .campaign import ORDERS, by_bulk, by_calls, campaign
from .lies.catalogue import LIES, named


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.behaviour.adversary", description=__doc__)
    parser.add_argument(
        "--lie", action="append", default=[], choices=LIES, metavar="NAME", help="a lie; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--calls", action="store_true", help="by single calls in place of runs")
    parser.add_argument("--list", action="store_true", help="print all lies and what they allow")
    chosen = parser.parse_args()
    if chosen.list:
        for each in LIES.values():
            print(f"{each.name:24} {each.verdict:10} {each.tells}")
        return 0
    faults = 0
    for lies in [named(*chosen.lie)] if chosen.lie else [[each] for each in LIES.values()]:
        with tempfile.TemporaryDirectory() as folder:
            finding = await campaign(
                lies,
                Path(folder),
                seed=chosen.seed,
                count=chosen.orders,
                way=by_calls if chosen.calls else by_bulk,
            )
        print(finding, flush=True)
        faults += bool(finding.faults)
    return 1 if faults else 0


sys.exit(asyncio.run(main()))
