"""The parts of the harness. A part is a module here with ``run(options) -> Result``; add it to ``PARTS``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..options import Options
    from ..rounds import Result


class Part(NamedTuple):
    """One part: its module here, a description, and True if it runs when no part is named."""

    name: str
    about: str
    default: bool = False

    @property
    def run(self) -> Callable[[Options], Result]:
        """The function of the part; its module is imported now."""
        module = importlib.import_module(f".{self.name}", __name__)
        run: Callable[[Options], Result] = module.run
        return run


PARTS = (
    Part("ceiling", "what the stub can answer at most", default=True),
    Part("calls", "creating an order and reading one stock, all peers", default=True),
    Part("pages", "walking pages of 1,000 stocks, all peers", default=True),
    Part("decode", "decoding a page of 1,000 stocks", default=True),
    Part("fan_out", "doing nothing, many times: workers, gather, streams", default=True),
    Part("bulk", "what a bulk run costs an item over the bare call, with and without a journal", default=True),
    Part("in_flight", "1, 10, 50 and 200 calls in flight"),
    Part("loops", "uvloop and asyncio's own loop"),
    Part("latency", "a server that takes 50 ms"),
    Part("tls", "with TLS and without"),
    Part("prefetch", "pages at 20 ms latency and 15 ms of work each"),
    Part("scan", "1,000,000 stocks at 50 ms: the plain walk, and scan_stocks; takes minutes"),
    Part("memory", "a bulk run of 1,000,000 items and a scan of 1,000,000 stocks; takes minutes"),
    Part(
        "traffic",
        "hidden limits found and held, priorities, many sellers, outages, on a simulated clock; takes ten minutes",
    ),
    Part(
        "cold_start",
        "hidden limits from the first second, over HTTP in real time on both loops; --only; takes hours",
    ),
    Part("start_up", "starting the command, over Python with aiohttp"),
    Part("journal", "what the journal alone costs an item"),
    Part("journal_large", "a journal of 1,000,000 items: size, opening, look-ups; takes minutes"),
    Part("retention", "pruning a journal of 1,000,000 items, half of them old; with --size 10000000 it takes minutes"),
    Part(
        "million_rows", "octoffm products create with 1,000,000 rows, interrupted and killed on the way; takes minutes"
    ),
    Part("cluster", "1, 2 and 4 workers over PostgreSQL against one plain process; takes minutes"),
    Part(
        "shared_limits", "limits shared by a file, Redis and PostgreSQL: cost of a call, eight processes; takes minutes"
    ),
    Part("journaled_run", "bulk runs against the sandbox without a journal and with both durabilities"),
    Part("cluster_journal", "the journal in PostgreSQL against SQLite and none: runs, cost and size of an item"),
)


def named(names: list[str]) -> list[Part]:
    """Return the parts of these names; without names, those that run by default.

    Raises:
        LookupError: There is no such part.
    """
    known = {part.name: part for part in PARTS}
    asked = [name.replace("-", "_") for name in names]
    if unknown := [name for name in asked if name not in known]:
        raise LookupError(f"no part {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in asked] if asked else [part for part in PARTS if part.default]
