"""One call: an order of about 500 bytes is created (201 with its id), one stock is read; all peers.

All peers encode the same order for every call and decode the whole response to objects; the order is made once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bench import Bench, Work
from ..rounds import Result
from .common import chosen, compare, notes, peer_table

if TYPE_CHECKING:
    from ..options import Options
    from ..rounds import Table

TITLES = {"post": "Creating an order (POST, 512 bytes, 201)", "get": "Reading one stock (GET, 738 bytes)"}


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    tables: list[Table] = []
    with Bench(options) as bench:
        stub = bench.stub()
        children = bench.peers([entry for entry in chosen(options) if set(entry.kinds) & TITLES.keys()], stub.target)
        for kind, title in TITLES.items():
            able = {entry.name: children[entry.name] for entry in chosen(options, kind)}
            if not able:
                continue
            measured = compare(bench, stub, able, Work(kind, options.in_flight))
            tables.append(peer_table(kind, f"{title}, {options.in_flight} in flight, {options.loop}", "call", measured))
    return Result(part="calls", tables=tables, notes=notes(options))
