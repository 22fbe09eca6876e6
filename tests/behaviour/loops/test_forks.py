"""After a fork: the child's copies are refused and send nothing; the parent's connections and locks are as before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from octoffm_async import Journal

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
ROOT = Path(__file__).parents[3]


def _started(program: str, argument: str) -> subprocess.Popen[str]:
    # Python warns of forks beside threads, which are the subject here.
    arguments = [sys.executable, "-W", "ignore", "-m", "tests.behaviour.loops.forking", program, argument]
    return subprocess.Popen(arguments, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ran(program: str, argument: str = "") -> dict[str, Any]:
    """What a program printed, which must not have written anything to its standard error."""
    with _started(program, argument) as process:
        try:
            output, errors = process.communicate(timeout=50)  # before the test's own time is over, which would leave it
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
    return json.loads(output)


@pytest.mark.parametrize("mode", ["exit", "unwinding", "multiprocessing"])
def test_a_child_is_refused_and_its_end_leaves_the_parents_connections_alone(mode: str) -> None:
    found = ran("served", mode)
    assert {name: text for name, text in found["child"].items() if "was opened in process" not in text} == {}
    assert (found["exit"], found["sent"], found["elsewhere"]) == (7, 0, 0)
    assert found["ended"] == 0  # no farewell came over a TLS connection of the parent
    assert (found["count"] > 0, found["created"], found["connections"]) == (True, 3, 0)


def test_a_child_that_goes_on_with_the_inherited_loop_sends_nothing() -> None:
    assert ran("inherited_loop") == {"exit": 0, "created": 40, "sent": 40}


def test_a_child_makes_a_client_of_its_own() -> None:
    assert ran("new_client") == {"exit": 0, "count": 0}


async def test_an_orphan_does_not_keep_its_dead_parents_journal(tmp_path: Path) -> None:
    path = tmp_path / "orders.sqlite"
    with _started("orphan", str(path)) as parent:
        assert parent.stdout is not None
        orphan = json.loads(parent.stdout.readline())["orphan"]
        try:
            parent.kill()
            parent.wait(10)
            async with Journal.open(path) as journal:
                assert [run.finished_at for run in await journal.runs()] == [None]
                assert await journal.forget((await journal.runs())[0].id) == 0
        finally:
            os.kill(orphan, signal.SIGKILL)


def test_a_sandbox_is_the_parents_alone() -> None:
    assert ran("sandbox_inherited") == {"exit": 3, "count": 0}
