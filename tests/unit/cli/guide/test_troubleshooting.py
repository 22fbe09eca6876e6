"""The page on trouble leaves out no class of error, no exit code and no advice, and quotes texts that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import octoffm_async
from octoffm_async.cli.advice import ADVICE
from octoffm_async.cli.errors import ExitCode
from octoffm_async.cli.guide.pages import read_page

PUBLIC = ("octoffm_async", *(f"octoffm_async.{part}" for part in ("cluster", "errors", "journal", "sandbox", "stores")))
PAGE = read_page("troubleshooting").text


def first_cells(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")][2:]


def test_each_public_class_of_error_has_its_row() -> None:
    public = {
        name
        for module in map(import_module, PUBLIC)
        for name in module.__all__
        if isinstance(found := getattr(module, name), type) and issubclass(found, BaseException)
    }
    assert set(re.findall(r"`(\w+)`", " ".join(first_cells("By class")))) == public


def test_each_exit_code_has_its_row() -> None:
    section = PAGE.partition("\n## By exit code\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\d+) \| (\w+) \|", section, re.MULTILINE) == [
        (str(code.value), code.name) for code in ExitCode
    ]


def test_each_advice_of_the_command_has_its_row() -> None:
    named = [name for cell in first_cells("By the command's advice") for name in cell.split(", ")]
    assert sorted(named) == sorted(advice.name for advice in ADVICE)


def literals() -> list[str]:
    """The texts in the source of the package; those that are written in several pieces are joined."""
    found: list[str] = []
    for path in Path(octoffm_async.__file__).parent.rglob("*.py"):
        source = re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        found += re.findall(r'"((?:[^"\\\n]|\\.)+)"', source)
    return found


def test_the_texts_that_it_quotes_are_in_the_package() -> None:
    quoted = [text for cell in first_cells("By text") for text in re.findall(r"`([^`]+)`", cell)]
    assert len(quoted) > 25
    texts = literals()
    for text in quoted:
        parts = [part.strip() for part in text.split("…") if part.strip()]
        assert any(all(part in one for part in parts) for one in texts), text
