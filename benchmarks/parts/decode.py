"""Decoding of one page of 1,000 stocks (596 kB) to objects, by the libraries of the peers; no network.

This package's reader decodes the usual page, and pages that it has to learn: all names in PascalCase, numbers as text.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
from multidict import CIMultiDict

from octoffm_async.contract.contract_file.translation import Translation
from octoffm_async.contract.operations import LIST_STOCKS
from octoffm_async.session.decoding.answers import Answers
from octoffm_async.session.decoding.drift import DriftLog
from octoffm_async.transport.response import Response

from ..answers import PAGE_BODY, STOCKS, facts, in_pascal, respelled
from ..bench import Bench
from ..measuring import timed
from ..rounds import Case, Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..child import Child
    from ..options import Options

TYPED = "msgspec, typed (ours)"
READER = "this package's reader"
LEARNED = f"{READER}, learned spelling"
AS_TEXT = f"{READER}, numbers as text"
CONSTRUCT = "generated SDK (openai's runtime)"
WAYS = (
    TYPED,
    READER,
    LEARNED,
    AS_TEXT,
    "json + dataclasses",
    "orjson + dataclasses",
    "pydantic, from bytes",
    CONSTRUCT,
)
NEEDS = {"orjson + dataclasses": "orjson", "pydantic, from bytes": "pydantic", CONSTRUCT: "openai"}


def ways() -> list[str]:
    """Return the ways whose packages are installed."""
    return [way for way in WAYS if way not in NEEDS or find_spec(NEEDS[way])]


def page_for(way: str) -> bytes:
    """Return the page that is decoded in this way: the usual one, or the same stocks in another spelling."""
    if way == LEARNED:
        return msgspec.json.encode(respelled(STOCKS, in_pascal))
    if way == AS_TEXT:
        return re.sub(rb'":(\d+)', rb'":"\1"', PAGE_BODY)
    return PAGE_BODY


def decoder(way: str) -> Callable[[bytes], list[Any]]:
    """Return the function that decodes a page in this way."""
    if way.startswith(READER):
        logging.getLogger("octoffm_async").addHandler(logging.NullHandler())  # differences are not to be printed here
        answers, headers = Answers(Translation(), DriftLog(lambda _: None)), CIMultiDict[str]()
        return lambda body: answers.read(LIST_STOCKS, Response(200, headers, body, ""))
    if way == TYPED:
        from ..peers.tuned import PAGE

        return lambda body: PAGE.decode(body).items
    if way == "pydantic, from bytes":
        from ..peers import pydantic_models

        return lambda body: pydantic_models.Page.model_validate_json(body).items
    if way == CONSTRUCT:
        from ..peers import openai_runtime

        page: Any = openai_runtime.Page  # of a type that is unknown where openai is not installed
        return lambda body: page.construct(**json.loads(body)).items
    from ..peers.plain_models import Stock

    loads = _loads(way)
    return lambda body: [Stock.from_dict(item) for item in loads(body)["items"]]


def _loads(way: str) -> Callable[[bytes], Any]:
    loads: Callable[[bytes], Any] = importlib.import_module("orjson" if way.startswith("orjson") else "json").loads
    return loads


class Decoding:
    """See :class:`~benchmarks.child.Subject`."""

    def __init__(self, way: str) -> None:
        self._decode, self._page = decoder(way), page_for(way)

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """See Subject."""
        if order.get("facts"):
            return {"rows": [facts(row) for row in self._decode(self._page)]}

        async def work() -> None:
            for _ in range(order["count"]):
                self._decode(self._page)

        return await timed(work)

    async def close(self) -> None:
        """See Subject."""


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    with Bench(options) as bench:
        children = {way: bench.child("benchmarks.parts.decode:Decoding", {"way": way}) for way in ways()}
        cases = [_case(way, child, options) for way, child in children.items()]
        measured = bench.interleave(cases)
    columns = [Column("page", "ms/page", 2), Column("row", "µs/stock", 2), Column("page", "× msgspec", 2, TYPED)]
    table = Table(
        name="decode",
        title="Decoding a page of 1,000 stocks (596 kB), CPU",
        columns=columns,
        figures=measured.figures,
        order=measured.order,
        lead="page",
        highlight=[TYPED, READER, LEARNED, AS_TEXT],
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
