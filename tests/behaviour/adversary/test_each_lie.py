"""Each lie alone, through the library: nothing doubled, nothing lost, nothing told that is not so, no hang."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from zlib import crc32

import pytest

from .campaign import Way, by_bulk, by_calls, campaign
from .judge import Finding
from .lies.catalogue import LIES, named

TOGETHER = 12
"""Trials that run at a time: most of one is waiting."""
BY_CALLS = [
    "upper",
    "lower",
    "no_zeros",
    "upper_of_lost",
    "one_id",
    "id_of_another",
    "word_as_id",
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
    "conflict_perhaps",
    "list_fails",
    "no_rel",
    "no_cursor",
]
"""Lies that are tried on single calls with a journal too."""


TOGETHER_WORSE = [
    ("we_were_ahead", "empty"),
    ("we_were_ahead", "renamed"),
    ("no_date_behind", "newest_first"),
    ("filter_shows_nothing", "lost_not_listed"),
    ("filter_refused", "moving_counted"),
    ("cut_pages", "count_missing"),
    ("count_page", "lost_not_listed"),
]
"""Lies that together led to what each alone did not, once."""
Names = tuple[str, ...]


@cache
def _findings(trials: tuple[Names, ...], way: Way) -> dict[Names, Finding]:
    async def one(names: Names, folder: Path) -> Finding:
        own = folder / "+".join(names)
        own.mkdir()
        return await campaign(named(*names), own, seed=crc32("+".join(names).encode()), way=way)

    async def together() -> dict[Names, Finding]:
        with tempfile.TemporaryDirectory() as folder:
            found = await asyncio.gather(*[one(names, Path(folder)) for names in trials])
        return dict(zip(trials, found, strict=True))

    return asyncio.run(together())


def _found(trial: Names, among: Sequence[Names], way: Way = by_bulk) -> Finding:
    """What is found of a trial; those around it are done with it, but for those that move our own clock."""
    if _moves_our_clock(trial):
        return _findings((trial,), way)[trial]
    among = [each for each in among if not _moves_our_clock(each)]
    start = among.index(trial) // TOGETHER * TOGETHER
    return _findings(tuple(among[start : start + TOGETHER]), way)[trial]


def _moves_our_clock(names: Names) -> bool:
    return any("ours" in each.hooks for each in named(*names))


ALONE = [(each,) for each in sorted(LIES, key=lambda name: (_moves_our_clock((name,)), name))]
"""All lies, in groups that run together: of six groups one runs in the usual run, the others with the soak."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(*names, marks=pytest.mark.soak if number // TOGETHER % 6 else ())
        for number, names in enumerate(ALONE)
    ],
)
def test_a_lie_alone_leads_to_nothing_wrong(name: str) -> None:
    finding = _found((name,), ALONE)
    assert not finding.faults, str(finding)
    assert not finding.untold


@pytest.mark.soak
@pytest.mark.parametrize("name", BY_CALLS)
def test_a_lie_leads_single_calls_to_nothing_wrong(name: str) -> None:
    finding = _found((name,), [(each,) for each in BY_CALLS], by_calls)
    assert not finding.faults, str(finding)
    assert not finding.untold


@pytest.mark.parametrize("names", TOGETHER_WORSE, ids="+".join)
def test_lies_that_were_worse_together_lead_to_nothing_wrong(names: Names) -> None:
    finding = _found(names, TOGETHER_WORSE)
    assert not finding.faults, str(finding)


def test_there_are_many_lies_and_few_that_no_client_could_see_through() -> None:
    assert len(LIES) > 120
    assert sum(each.verdict == "unprovable" for each in LIES.values()) <= 4
