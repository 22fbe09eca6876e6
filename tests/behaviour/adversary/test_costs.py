"""What proofs cost: nothing where no answer was lost, and a count for each look-up where some were."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .campaign import by_bulk, by_calls, campaign
from .lies.catalogue import named

pytestmark = pytest.mark.one_loop


@pytest.mark.parametrize("way", [by_bulk, by_calls])
async def test_where_no_answer_is_lost_nothing_is_looked_up(tmp_path: Path, way: Any) -> None:
    finding = await campaign([], tmp_path, seed=1, way=way, share_lost=0.0)
    assert not finding.faults, str(finding)
    assert finding.requests == [["creation"] * finding.created, []]


@pytest.mark.parametrize("names", [(), ("newest_first",), ("stamps_behind",), ("no_filter", "ahead_1d")])
async def test_an_honest_api_is_asked_for_a_count_once_a_look_up(tmp_path: Path, names: tuple[str, ...]) -> None:
    finding = await campaign(named(*names), tmp_path, seed=1)
    assert not finding.faults, str(finding)
    first, second = finding.requests
    assert first.count("count") >= 1
    assert ("count", "count") not in pairwise(first)
    assert not second
