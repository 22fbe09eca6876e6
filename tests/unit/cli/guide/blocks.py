"""The code blocks of the guide, run as a reader would who types them in, one page in one folder and one session.

- Python runs with ``await`` at its top level, and its names last until the end of the page.
- A block whose fence names a file (``python backend.py``, ``csv orders.csv``) is written to that file first. Tests and
  their ``conftest.py`` are left to ``pytest``.
- Commands of ``octoffm`` run one after another, and ``# exits with 1`` says what is expected; ``pytest`` and ``python``
  run as processes. A block with anything else (``systemctl``, pipes) is checked by bash for its syntax.
- Options of ``octoffm`` are checked wherever it is called: in bash, systemd units and Kubernetes manifests.
"""

from __future__ import annotations

import ast
import asyncio
import configparser
import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import yaml

from octoffm_async.cli.app import octoffm, run
from tests.support.guide import Block

_EXIT = re.compile(r"#.*\bexits with (\d+)")
_PYTEST = ("-m", "pytest", "-p", "pytest_asyncio.plugin", "-p", "octoffm_async.sandbox.pytest_plugin")
SHOWN = ("text", "mermaid")
"""Languages of what is shown: nothing runs."""


def check_command(words: list[str]) -> None:
    """Check that a command of octoffm and its options exist."""
    assert words[0] == "octoffm"
    command: click.Command = octoffm
    for word in words[1:]:
        if isinstance(command, click.Group) and not word.startswith("-"):
            assert word in command.commands, f"no command {word} in {shlex.join(words)}"
            command = command.commands[word]
        elif word.startswith("--"):
            known = [name for option in command.params for name in (*option.opts, *option.secondary_opts)]
            assert word.partition("=")[0] in [*known, "--help", "--version", "--"], f"{word} in {shlex.join(words)}"


def commands_in(line: str) -> Iterator[list[str]]:
    """The commands of octoffm in a line of bash or of a unit file."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;()<>"):
            names = [place for place, one in enumerate(words) if one == "octoffm" or one.endswith("/octoffm")]
            if names and all("=" in one or one == "exec" for one in words[: names[0]]):
                yield ["octoffm", *words[names[0] + 1 :]]
            words = []
        else:
            words.append(word)


class PageSession:
    """One page: its names, its loop and its folder."""

    def __init__(self, folder: Path, names: dict[str, Any], capsys: Any) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "guide", **names}
        self._capsys = capsys
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def await_(self, work: Any) -> Any:
        return self._runner.run(work)

    def run(self, block: Block) -> None:
        if block.file:
            (self.folder / block.file).write_text(block.text, encoding="utf-8")
        handler = {
            "python": self._python,
            "bash": self._bash,
            "toml": lambda block: tomllib.loads(block.text),
            "json": lambda block: msgspec.json.decode(block.text),
            "yaml": _check_yaml,
            "ini": _check_unit,
            "csv": lambda block: block.file or self._fail(block),
        }
        if block.language not in SHOWN:
            handler[block.language](block)

    def _fail(self, block: Block) -> None:
        raise AssertionError(f"a {block.language} block without a file")

    def _python(self, block: Block) -> None:
        if block.file.startswith(("test_", "conftest")):
            compile(block.text, block.file, "exec")
            return
        code = compile(block.text, block.file or "<guide>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            self.await_(eval(code, self.names))  # noqa: S307  (the guide's own code)
        else:
            exec(code, self.names)  # noqa: S102

    def _bash(self, block: Block) -> None:
        subprocess.run(["/bin/bash", "-n"], input=block.text, text=True, check=True)
        lines = block.text.replace("\\\n", " ").splitlines()
        for line in lines:
            for words in commands_in(line):
                check_command(words)
        if not all(re.match(r"(octoffm|pytest|python) ?[^|<>;&]*(#.*)?$", line) for line in lines):
            return
        for line in lines:
            name, *arguments = shlex.split(line, comments=True)
            expected = int(found[1]) if (found := _EXIT.search(line)) else 0
            if name == "octoffm":
                code = run(arguments)
                said = self._capsys.readouterr()
                assert code == expected, f"{line}\n{said.out}{said.err}"
            else:
                self._process([*_PYTEST, *arguments] if name == "pytest" else arguments, expected)

    def _process(self, arguments: list[str], expected: int) -> None:
        # The plugins that this machine has take seconds, and what these tests were told is not for a page's own.
        alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False, env=alone)
        assert done.returncode == expected, done.stdout + done.stderr


def _check_yaml(block: Block) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, list) and value and value[0] == "octoffm":
            check_command(value)
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(part)

    for document in yaml.safe_load_all(block.text):
        assert document
        walk(document)


def _check_unit(block: Block) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block.text)
    for section in unit.sections():
        for key, value in unit[section].items():
            if key.startswith("Exec"):
                found = list(commands_in(value))
                assert found or Path(value.split()[0]).name != "octoffm"
                for words in found:
                    check_command(words)
