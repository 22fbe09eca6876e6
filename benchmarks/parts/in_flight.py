"""Creation of orders with 1, 10, 50 and 200 calls in flight; all peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bench import Bench, Work
from ..rounds import Result
from .common import chosen, compare, lines_of, notes, peer_table

if TYPE_CHECKING:
    from ..options import Options
    from ..rounds import Table

IN_FLIGHT = (1, 10, 50, 200)


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    tables: dict[float, Table] = {}
    with Bench(options) as bench:
        stub = bench.stub()
        children = bench.peers(chosen(options, "post"), stub.target)
        for count in IN_FLIGHT:
            measured = compare(bench, stub, children, Work("post", count))
            title = f"Creating an order, {count} in flight, {options.loop}"
            tables[count] = peer_table(f"post-{count}-in-flight", title, "call", measured)
    lines = lines_of(
        tables,
        "wall",
        name="in-flight",
        title="Wall time of a POST by calls in flight",
        x_label="calls in flight",
        y_label="wall µs/call",
    )
    return Result(part="in_flight", tables=list(tables.values()), lines=[lines], notes=notes(options))
