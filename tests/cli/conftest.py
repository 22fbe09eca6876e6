import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "octoffm_async.cli"]


@pytest.fixture
def octoffm(tmp_path):
    """Runs the real command, in a folder of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=40)  # noqa: PLW1510

    return run
