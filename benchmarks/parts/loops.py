"""Creation of orders on uvloop and on asyncio's own loop; the peers that run on a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bench import Bench, Work
from ..rounds import Result
from .common import Surroundings, chosen, notes, peer_table, variants

if TYPE_CHECKING:
    from ..options import Options


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    entries = [entry for entry in chosen(options, "post") if not entry.threads]
    with Bench(options) as bench:
        stub = bench.stub()
        several = [Surroundings("uvloop", stub, "uvloop"), Surroundings("asyncio", stub, "asyncio")]
        measured = variants(bench, entries, several, Work("post", options.in_flight))
    title = f"Creating an order on either loop, {options.in_flight} in flight"
    return Result(part="loops", tables=[peer_table("loops", title, "call", measured)], notes=notes(options))
