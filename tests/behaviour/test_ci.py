"""What CI is made of: the pinned versions, how they are renewed, and the run with the newest ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CONSTRAINTS = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8")
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)$", CONSTRAINTS, flags=re.MULTILINE))

posix = pytest.mark.skipif(sys.platform == "win32", reason="the scripts of CI are of bash")

# Stand for python3, and for pip and python of the environment that it makes: they note how they were called.
PYTHON3 = '#!/bin/sh\nmkdir -p "$3/bin" && cp "${0%/*}/tool" "$3/bin/pip" && cp "${0%/*}/tool" "$3/bin/python"\n'
TOOL = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*"$BROKEN"*) exit 3 ;;
freeze*) echo "$FROZEN" ;;
esac
"""


class Scripts:
    """A copy of ``.ci`` whose scripts find the tools above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name, text in (("python3", PYTHON3), ("tool", TOOL)):
            path = folder / "bin" / name
            path.write_text(text)
            path.chmod(0o755)
        shutil.copytree(ROOT / ".ci", folder / ".ci")

    @property
    def constraints(self) -> str:
        return (self.folder / ".ci" / "constraints.txt").read_text(encoding="utf-8")

    @property
    def calls(self) -> list[list[str]]:
        return [line.split() for line in (self.folder / "calls").read_text().splitlines()]

    def run(
        self, name: str, *, frozen: str = "", broken: str = "nothing", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        known = {name: value for name, value in os.environ.items() if not name.startswith("OCTOFFM_")}
        settings = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{known['PATH']}",
            "TMPDIR": str(self.folder),
            "CALLS": str(self.folder / "calls"),
            "FROZEN": frozen,
            "BROKEN": broken,
        }
        return subprocess.run(
            [self.folder / ".ci" / name],
            env=known | settings | environment,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


def extra_requirements(*extras: str) -> set[Requirement]:
    """All requirements of the package with these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {Requirement(text) for text in project["dependencies"]}
    for extra in extras:
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            own = requirement.name == project["name"]
            found |= extra_requirements(*requirement.extras) if own else {requirement}
    return found


def test_every_requirement_of_the_tests_is_pinned_to_what_it_allows() -> None:
    pinned = {canonicalize_name(name): version for name, version in PINNED.items()}
    requirements = extra_requirements("test", "dev")
    assert len(requirements) > 30
    for requirement in requirements:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), requirement


def test_the_pinned_versions_are_plain_and_say_how_they_are_renewed() -> None:
    comments = [line for line in CONSTRAINTS.splitlines() if line.startswith("#")]
    assert len(comments) + len(PINNED) == CONSTRAINTS.count("\n")
    assert any(".ci/renew-constraints" in line for line in comments)
    assert "octoffm-async" not in PINNED


def test_ci_installs_only_what_is_pinned() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    installs = [line for line in script.splitlines() if "pip install" in line and "aiohttp" not in line]
    assert installs
    assert all(" -c .ci/constraints.txt " in line for line in installs)
    assert script.splitlines()[-1] == ".ci/newest"


@posix
def test_renewing_writes_what_a_fresh_environment_got(scripts: Scripts) -> None:
    done = scripts.run("renew-constraints", frozen="zeta==1.0\nAlpha-b==2.1.post1\nbeta==1!3.0")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in scripts.constraints.splitlines() if not line.startswith("#")]
    assert lines == ["Alpha-b==2.1.post1", "beta==1!3.0", "zeta==1.0"]
    assert scripts.calls[:2] == [["install", "-q", ".[test,dev]"], ["freeze", "--exclude", "octoffm-async"]]


@posix
@pytest.mark.parametrize("line", ["zeta @ file:///somewhere/zeta.whl", "-e /somewhere", "zeta @ https://host/z.whl"])
def test_renewing_never_writes_where_something_came_from(scripts: Scripts, line: str) -> None:
    done = scripts.run("renew-constraints", frozen=f"alpha==1.0\n{line}")
    assert done.returncode == 1
    assert line in done.stdout
    assert scripts.constraints == CONSTRAINTS


@posix
@pytest.mark.parametrize("broken", ["install", "freeze"])
def test_renewing_that_fails_changes_nothing(scripts: Scripts, broken: str) -> None:
    assert scripts.run("renew-constraints", frozen="alpha==1.0", broken=broken).returncode != 0
    assert scripts.constraints == CONSTRAINTS


@posix
def test_the_newest_are_tested_without_the_pins_and_named(scripts: Scripts) -> None:
    same = next(f"{name}=={version}" for name, version in PINNED.items())
    done = scripts.run("newest", frozen=f"{same}\naiohttp==99.0", OCTOFFM_NEWEST="strict")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == ["aiohttp==99.0", "== newest dependencies: passed"]
    install, _, tests = scripts.calls
    assert install == ["install", "-q", "-e", ".[test]"]
    paths = [word for word in tests if word.startswith("tests/")]
    assert {"tests/unit/cli/test_app.py", "tests/unit/tabular/formats", "tests/unit/transport"} < set(paths)
    assert [path for path in paths if not (ROOT / path).exists()] == []


@posix
@pytest.mark.parametrize("broken", ["install", "freeze", "pytest"])
@pytest.mark.parametrize(("strictness", "code"), [("", 0), ("strict", 1)])
def test_the_newest_that_fail_are_reported_and_stop_only_who_asks_for_it(
    scripts: Scripts, broken: str, strictness: str, code: int
) -> None:
    done = scripts.run("newest", broken=broken, OCTOFFM_NEWEST=strictness)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1].startswith("== newest dependencies: FAILED")
