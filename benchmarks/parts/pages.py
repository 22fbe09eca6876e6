"""Pages of 1,000 stocks (596 kB) read by cursor, every row decoded; all peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bench import Bench, Work
from ..rounds import Result
from .common import chosen, compare, notes, peer_table

if TYPE_CHECKING:
    from ..options import Options

PAGES = 10


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    pages = options.size or PAGES
    with Bench(options) as bench:
        stub = bench.stub()
        children = bench.peers(chosen(options, "page"), stub.target)
        measured = compare(bench, stub, children, Work("page", 1, pages))
    title = f"Walking {pages} pages of 1,000 stocks by cursor, {options.loop}"
    return Result(part="pages", tables=[peer_table("pages", title, "stock", measured)], notes=notes(options))
