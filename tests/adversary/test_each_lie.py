"""Each lie alone, through the library: nothing doubled, nothing lost, nothing told that is not so, no hang."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache
from pathlib import Path
from zlib import crc32

import pytest

from .campaign import Way, by_bulk, by_calls, campaign
from .judge import Finding
from .lies import LIES, named

TOGETHER = 12
"""Trials that run at a time: most of one is waiting."""
BY_CALLS = [
    "upper",
    "renamed",
    "broken_json_sometimes",
    "cut_pages",
    "aged_cache",
    "silent_cache",
    "empty",
    "hidden_at_first",
    "count_missing",
    "stamps_behind",
    "shifted",
    "conflict",
]
"""Lies that are tried on single calls with a journal too."""


@cache
def _findings(names: tuple[str, ...], way: Way) -> dict[str, Finding]:
    async def one(name: str, folder: Path) -> Finding:
        (folder / name).mkdir()
        return await campaign(named(name), folder / name, seed=crc32(name.encode()), way=way)

    async def together() -> dict[str, Finding]:
        with tempfile.TemporaryDirectory() as folder:
            found = await asyncio.gather(*[one(name, Path(folder)) for name in names])
        return dict(zip(names, found, strict=True))

    return asyncio.run(together())


def _found(name: str, among: list[str], way: Way) -> Finding:
    """What is found of a lie; those around it are tried with it, but for those that move our own clock."""
    if "ours" in LIES[name].hooks:
        return _findings((name,), way)[name]
    among = [each for each in among if "ours" not in LIES[each].hooks]
    start = among.index(name) // TOGETHER * TOGETHER
    return _findings(tuple(among[start : start + TOGETHER]), way)[name]


@pytest.mark.parametrize("name", LIES)
def test_a_lie_alone_leads_to_nothing_wrong(name: str) -> None:
    finding = _found(name, list(LIES), by_bulk)
    assert not finding.faults, str(finding)
    assert not finding.untold


@pytest.mark.parametrize("name", BY_CALLS)
def test_a_lie_leads_single_calls_to_nothing_wrong(name: str) -> None:
    finding = _found(name, BY_CALLS, by_calls)
    assert not finding.faults, str(finding)
    assert not finding.untold


def test_there_are_many_lies_and_few_that_no_client_could_see_through() -> None:
    assert len(LIES) > 120
    assert sum(each.verdict == "unprovable" for each in LIES.values()) <= 4
