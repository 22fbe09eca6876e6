import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from octoffm_async.sandbox import SandboxThread
from tests.support.forks import OCTOFFM, Forks

from .remote import Api

COMMAND = [sys.executable, "-m", "octoffm_async"]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks(*OCTOFFM) as forks:
        yield forks


@pytest.fixture
def octoffm(tmp_path, forks):
    """Runs the real command as a process, in a folder of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = ["octoffm", *map(str, arguments)]
        return forks.run("octoffm_async.cli.app:run", command, cwd=tmp_path, timeout=40)

    return run


@contextmanager
def serving(monkeypatch, capsys, folder, *, speed: float) -> Iterator[Api]:
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    with SandboxThread(seed=7, catalogue=3, speed=speed) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        yield Api(sandbox, capsys, folder)


@pytest.fixture
def api(monkeypatch, capsys, tmp_path) -> Iterator[Api]:
    """A sandbox whose clock stands still, with three products; the environment names it."""
    with serving(monkeypatch, capsys, tmp_path, speed=0) as api:
        yield api


@pytest.fixture
def moving(monkeypatch, capsys, tmp_path) -> Iterator[Api]:
    """The same, where a real second is 60 of the sandbox."""
    with serving(monkeypatch, capsys, tmp_path, speed=60) as api:
        yield api
