"""Creating orders with TLS (a certificate made for the occasion, and checked) and without; all peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bench import Bench, Work
from ..rounds import Result
from .common import chosen, notes, peer_table, variants

if TYPE_CHECKING:
    from ..options import Options


def run(options: Options) -> Result:
    """See the module's docstring."""
    with Bench(options) as bench:
        plain, secure = bench.stub(), bench.stub(tls=True)
        surroundings = {"plain": (plain, options.loop, 0.0), "TLS": (secure, options.loop, 0.0)}
        measured = variants(bench, options, chosen(options, "post"), surroundings, Work("post", options.in_flight))
    title = f"Creating an order with and without TLS, {options.in_flight} in flight, {options.loop}"
    return Result(part="tls", tables=[peer_table("tls", title, "call", measured)], notes=notes(options))
