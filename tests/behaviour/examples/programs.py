"""Runs examples as a reader would: a process of its own, in an empty folder, with warnings as errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"


def environment(**more: str) -> dict[str, str]:
    """This process's, without a real API's credentials."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OCTOFFM_")} | more


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]


def run(name: str, *arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, *arguments),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        timeout=40,
        check=False,
    )
