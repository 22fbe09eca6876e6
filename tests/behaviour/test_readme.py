"""The README keeps to its word: its tests exist, its example runs, its length is bounded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_it_has_at_most_200_lines() -> None:
    assert README.count("\n") <= 200


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([\w/]*test_\w+\.py(?:::\w+)?)`", README))))
def test_every_test_that_it_names_exists(named: str) -> None:
    path, _, function = named.partition("::")
    source = (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert not function or f"def {function}(" in source


def test_its_first_example_runs() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", blocks("python")[0]],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Shipped [")


@pytest.mark.parametrize("block", blocks("python")[1:])
def test_its_other_examples_are_python(block: str) -> None:
    compile("async def example():\n" + textwrap.indent(block, "    "), "README.md", "exec")


def test_its_bulk_example_names_what_exists() -> None:
    import octoffm_async

    for name in re.findall(r"case (\w+)\(\)", README):
        assert hasattr(octoffm_async, name)


def test_it_names_methods_that_exist() -> None:
    from octoffm_async import FulfillmentClient
    from tests.support.fakes import config

    client = FulfillmentClient(config())
    named = re.findall(r"^\| `client\.(\w+)` \| (.*) \|$", README, flags=re.MULTILINE)
    assert len(named) == 5
    for resource, methods in named:
        for method in re.findall(r"`(\w+)\(", methods):
            assert callable(getattr(getattr(client, resource), method))


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for marker in ("tests", "demo"):
        assert f"$(readme_command {marker})" in script
        (commands,) = re.findall(rf"<!-- {marker} -->\n```bash\n(.*?)```", README, flags=re.DOTALL)
        assert commands.count("\n") == 1
        assert " -c .ci/constraints.txt " in commands


def test_it_says_which_orders_octopia_ships_itself() -> None:
    said = " ".join(README.split())
    assert "in supply mode `Fulfillment` are shipped by Octopia itself and must not be sent" in said


def test_on_a_package_index_nothing_links_to_a_file() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (rule,) = settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    shown = re.sub(rule["pattern"], rule["replacement"], README)
    assert re.findall(r"\]\((.*?)\)", README)
    assert all(target.startswith("https://") for target in re.findall(r"\]\((.*?)\)", shown))
    assert "`errors.py` draws the tree of errors" in shown
