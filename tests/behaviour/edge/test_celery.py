"""Celery's prefork pool with the guide's tasks: one order a reference, even if the processes of the pool are killed."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from octoffm_async.sandbox import Fault, SandboxThread
from tests.support.guide import write_files
from tests.support.items import order

pytestmark = [
    pytest.mark.timeout(120),  # another Python starts
    pytest.mark.skipif(sys.platform == "win32", reason="cannot fork"),
]
ROOT = Path(__file__).parents[3]
WORKER = "-m celery -A tasks worker --pool prefork -c 2 --max-tasks-per-child 6 --without-gossip --without-mingle --"
Process = subprocess.Popen[bytes]
SETTINGS = ("worker.lost_wait=0.1", "task.track_started=true")


@pytest.fixture
def worker(octoffm_sandbox: SandboxThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A worker in a folder with the guide's files, and a broker made of files."""
    write_files("synchronous-code", tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "data_in").mkdir()
    (tmp_path / "data_out").symlink_to("data_in")  # what clients put in is what workers take out
    settings = octoffm_sandbox.environment() | {"OCTOFFM_STORE": "state.sqlite", "PYTHONPATH": str(ROOT)}
    settings |= {"CELERY_BROKER_URL": "filesystem://", "CELERY_RESULT_BACKEND": f"file://{tmp_path / 'results'}"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *WORKER.split(), *SETTINGS], stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            print((tmp_path / "log").read_text())
            for name in ("tasks", "fulfillment"):
                sys.modules.pop(name, None)


@pytest.mark.octoffm_sandbox(catalogue=1, stock=1000)
def test_a_task_whose_process_is_killed_is_done_once(octoffm_sandbox: SandboxThread, worker: Process) -> None:
    send: Any = importlib.import_module("tasks").send_order
    octoffm_sandbox.next_fault(Fault.STALL_AFTER, operation="outbound.create")
    bodies = [order(f"ORDER-{number}", product="SKU-000001").to_dict() for number in range(6)]
    first = [send.delay(bodies[0])]
    while not octoffm_sandbox.effects.outbound:  # it is created, and its answer does not come
        assert worker.poll() is None
        time.sleep(0.05)
    os.kill(first[0].info["pid"], signal.SIGKILL)
    first += [send.delay(body) for body in bodies[1:]]
    ids = [one.get(interval=0.05) for one in first]
    again = [send.delay(body) for body in bodies]
    assert [one.get(interval=0.05) for one in again] == ids
    assert octoffm_sandbox.effects.outbound == {body["reference"]: 1 for body in bodies}
    assert octoffm_sandbox.stats()["by_operation"]["token.create"] == {"200": 1}
