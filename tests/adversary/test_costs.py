"""What proofs cost: nothing where no answer was lost, and a count for each look-up where some were."""

from __future__ import annotations

from pathlib import Path

import pytest

from .campaign import by_bulk, by_calls, campaign

pytestmark = pytest.mark.one_loop


@pytest.mark.parametrize("way", [by_bulk, by_calls])
async def test_where_no_answer_is_lost_nothing_is_looked_up(tmp_path: Path, way: object) -> None:
    finding = await campaign([], tmp_path, seed=1, way=way, share_lost=0.0)  # type: ignore[arg-type]
    assert not finding.faults, str(finding)
    assert [dict(cost) for cost in finding.costs] == [{"creation": finding.created}, {}]


async def test_a_run_that_looks_up_what_was_lost_counts_once(tmp_path: Path) -> None:
    finding = await campaign([], tmp_path, seed=1)
    assert not finding.faults, str(finding)
    first, second = finding.costs
    assert first["count"] == 1
    assert first["list"] <= 12
    assert first["single"] == 0
    assert not second
