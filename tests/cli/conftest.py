import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from octoffm_async.sandbox import SandboxThread

from .remote import Api

COMMAND = [sys.executable, "-m", "octoffm_async.cli"]


@pytest.fixture
def octoffm(tmp_path):
    """Runs the real command, in a folder of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=40)  # noqa: PLW1510

    return run


@pytest.fixture
def api(monkeypatch, capsys, tmp_path) -> Iterator[Api]:
    """A sandbox whose clock stands still, with three products; the environment names it."""
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with SandboxThread(seed=7, catalogue=3, speed=0) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield Api(sandbox, capsys, tmp_path)
