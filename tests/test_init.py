"""The public names, and what importing them does not load."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import octoffm_async

ROOT = Path(__file__).parent.parent
ALONE = [
    "click",
    "rich",
    "uvloop",
    "aiohttp.web",
    "opentelemetry",
    "octoffm_async.telemetry",
    "octoffm_async.cli",
    "octoffm_async.sandbox",
    "trustme",
    "pytest",
]


def test_all_is_sorted_and_complete() -> None:
    assert octoffm_async.__all__ == sorted(octoffm_async.__all__)
    assert len(set(octoffm_async.__all__)) == len(octoffm_async.__all__)
    visible = {
        name for name, value in vars(octoffm_async).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert visible | {"__version__"} == set(octoffm_async.__all__)


@pytest.mark.parametrize("name", octoffm_async.__all__)
def test_every_name_is_there_and_documented(name) -> None:
    value = getattr(octoffm_async, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_importing_it_loads_no_extra() -> None:
    code = f"import sys, octoffm_async; print([name for name in {ALONE!r} if name in sys.modules])"
    assert run(code) == "[]"


def test_a_star_import_gives_the_public_names() -> None:
    names = run("from octoffm_async import *; print(*sorted(n for n in dir() if n[0] != '_'))").split()
    assert names == sorted(name for name in octoffm_async.__all__ if not name.startswith("_"))


def test_it_works_without_the_extras() -> None:
    without = "import sys; sys.modules.update(dict.fromkeys(['click', 'rich', 'uvloop', 'opentelemetry']))"
    assert run(f"{without}; import octoffm_async; print('fine')") == "fine"
