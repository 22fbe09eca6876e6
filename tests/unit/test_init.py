"""The public names, and what importing them does not load."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import octoffm_async

ROOT = Path(__file__).parents[2]
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


LAZY = [
    "octoffm_async",
    "octoffm_async.auth",
    "octoffm_async.cluster",
    "octoffm_async.journal",
    "octoffm_async.ratelimit",
    "octoffm_async.sandbox",
    "octoffm_async.stores",
    "octoffm_async.tabular",
    "octoffm_async.transport",
]
PUBLIC = [*LAZY, *(f"octoffm_async.{name}" for name in ("config", "errors", "events", "telemetry"))]
"""Packages and modules whose names a program may import; no text names a deeper one."""
DEEPER = re.compile(r"octoffm_async(?:\.[a-z_]+){2,}")
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
OWN_MODULES = 5
"""Modules of ours that a bare import may load."""


def typed_imports(package: str) -> dict[str, str]:
    """The names that a package imports for type checkers, with the module of each."""
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        source = f"{package}.{node.module}" if node.level == 1 else str(node.module)
        found |= {alias.name: source for alias in node.names}
    return found


@pytest.mark.parametrize("package", LAZY)
def test_names_that_are_loaded_when_used_are_those_that_type_checkers_see(package) -> None:
    module = importlib.import_module(package)
    typed = typed_imports(package)
    assert {*typed} == {*module.__all__} - {"__version__"}
    for name, source in typed.items():
        assert getattr(module, name) is getattr(importlib.import_module(source), name)
    assert {*dir(module)} >= {*module.__all__}
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        module.Nothing  # noqa: B018


@pytest.mark.parametrize("package", PUBLIC)
def test_public_packages_list_their_names(package) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    assert len({*module.__all__}) == len(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name


@pytest.mark.parametrize("folder", ["octoffm_async", "examples"])
def test_no_docstring_and_no_example_names_a_module_below_the_public_packages(folder) -> None:
    deeper: list[str] = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | FUNCTION)]
        texts = [ast.get_docstring(node) or "" for node in nodes]
        if folder == "examples":
            texts.append(path.read_text(encoding="utf-8"))
        deeper += [f"{path.name}: {found}" for text in texts for found in DEEPER.findall(text) if is_module(found)]
    assert deeper == []


def is_module(name: str) -> bool:
    """True for a module or a package below those that are public, as opposed to a name in one of those."""
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("name", octoffm_async.__all__)
def test_every_name_is_there_and_documented(name) -> None:
    value = getattr(octoffm_async, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__


@pytest.mark.parametrize("package", [*LAZY, "octoffm_async.sandbox.pytest_plugin"])
def test_importing_a_package_loads_few_modules_of_ours(package) -> None:
    code = f"import sys, {package}; print(*(name for name in sys.modules if name.startswith('octoffm_async')))"
    loaded = run(code).split()
    assert package in loaded
    assert len(loaded) <= OWN_MODULES, loaded


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
