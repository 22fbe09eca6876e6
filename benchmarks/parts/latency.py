"""Creation of orders on a server that answers at once, and on one that takes 50 ms; all peers.

At 50 ms the wall time depends on the number in flight only (50 in flight: 1 ms a call); the peers then differ in their
CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bench import Bench, Work
from ..rounds import Result
from .common import Surroundings, chosen, notes, peer_table, variants

if TYPE_CHECKING:
    from ..options import Options

LATENCY = 0.05


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    with Bench(options) as bench:
        stub = bench.stub()
        several = [Surroundings("0 ms", stub, options.loop), Surroundings("50 ms", stub, options.loop, LATENCY)]
        measured = variants(bench, chosen(options, "post"), several, Work("post", options.in_flight))
    title = f"Creating an order at 0 and 50 ms of latency, {options.in_flight} in flight, {options.loop}"
    return Result(part="latency", tables=[peer_table("latency", title, "call", measured)], notes=notes(options))
