"""Creation of orders with TLS (a certificate made for the run, and checked) and without; all peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..bench import Bench, Work
from ..rounds import Result
from .common import Surroundings, chosen, notes, peer_table, variants

if TYPE_CHECKING:
    from ..options import Options


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    with Bench(options) as bench:
        plain, secure = bench.stub(), bench.stub(tls=True)
        several = [Surroundings("plain", plain, options.loop), Surroundings("TLS", secure, options.loop)]
        measured = variants(bench, chosen(options, "post"), several, Work("post", options.in_flight))
    title = f"Creating an order with and without TLS, {options.in_flight} in flight, {options.loop}"
    return Result(part="tls", tables=[peer_table("tls", title, "call", measured)], notes=notes(options))
