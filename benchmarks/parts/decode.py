"""Decoding one page of 1,000 stocks (596 kB) to objects, by the ways that the peers use; no wire."""

from __future__ import annotations

import importlib
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..answers import PAGE_BODY, facts
from ..bench import Bench
from ..measuring import timed
from ..rounds import Case, Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..child import Child
    from ..options import Options

TYPED = "msgspec, typed (ours)"
WAYS = (TYPED, "json + dataclasses", "orjson + dataclasses", "pydantic, from bytes", "Stainless-style construct")
NEEDS = {"orjson + dataclasses": "orjson", "pydantic, from bytes": "pydantic", "Stainless-style construct": "pydantic"}


def decoder(way: str) -> Callable[[bytes], list[Any]]:
    """The function that decodes a page in this way."""
    if way == TYPED:
        from ..peers.tuned import PAGE

        return lambda body: PAGE.decode(body).items
    if way == "pydantic, from bytes":
        from ..peers import pydantic_models

        return lambda body: pydantic_models.Page.model_validate_json(body).items
    if way == "Stainless-style construct":
        from ..peers import stainless_models

        return lambda body: stainless_models.construct_type(json.loads(body), stainless_models.Page).items
    from ..peers.plain_models import Stock

    loads = _loads(way)
    return lambda body: [Stock.from_dict(item) for item in loads(body)["items"]]


def _loads(way: str) -> Callable[[bytes], Any]:
    loads: Callable[[bytes], Any] = importlib.import_module("orjson" if way.startswith("orjson") else "json").loads
    return loads


class Decoding:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self, way: str) -> None:
        self._decode = decoder(way)

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """See Subject."""
        if order.get("facts"):
            return {"rows": [facts(row) for row in self._decode(PAGE_BODY)]}

        async def work() -> None:
            for _ in range(order["count"]):
                self._decode(PAGE_BODY)

        return await timed(work)

    async def close(self) -> None:
        """See Subject."""


def run(options: Options) -> Result:
    """See the module's docstring."""
    ways = [way for way in WAYS if way not in NEEDS or find_spec(NEEDS[way])]
    with Bench(options) as bench:
        children = {way: bench.child("benchmarks.parts.decode:Decoding", {"way": way}) for way in ways}
        cases = [_case(way, children[way], options) for way in ways]
        measured = bench.interleave(cases)
    columns = [Column("page", "ms/page", 2), Column("row", "µs/stock", 2), Column("page", "× msgspec", 1, TYPED)]
    table = Table(
        name="decode",
        title="Decoding a page of 1,000 stocks (596 kB), CPU",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="page",
        highlight=[TYPED],
    )
    return Result(part="decode", tables=[table])


def _case(way: str, child: Child, options: Options) -> Case:
    cost = 0.0

    def measure() -> dict[str, float]:
        nonlocal cost
        if not cost:
            child.measure(count=1)
            cost = float(child.measure(count=1)["wall"])
        count = options.calls(cost)
        spent = child.measure(count=count)
        return {"page": spent["cpu"] / count * 1e3, "row": spent["cpu"] / count * 1e3}

    return Case(way, measure)
