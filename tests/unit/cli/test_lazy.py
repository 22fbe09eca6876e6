"""Commands are imported when they are called, and the list of commands says what they say."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import octoffm_async
from octoffm_async.cli.app import octoffm
from octoffm_async.cli.lazy import Later, LazyCommands, LazyGroup

FOLDER = str(Path(octoffm_async.__file__).parent)
HEAVY = ("aiohttp", "msgspec", "yaml", "rich", "octoffm_async.client", "octoffm_async.cli.commands.orders")
# The package without its __init__, whose imports are not the command's.
SCRIPT = f"""
import sys, types
package = types.ModuleType("octoffm_async")
package.__path__ = [{FOLDER!r}]
sys.modules["octoffm_async"] = package
try:
    from octoffm_async.cli.app import run
    run(sys.argv[1:])
finally:
    print([name for name in {HEAVY!r} if name in sys.modules])
"""


def run_alone(*arguments: str, **variables: str) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    environment = os.environ | variables
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["-v"]])
def test_the_version_and_the_help_import_no_command(arguments: list[str]) -> None:
    assert run_alone(*arguments)[-1] == "[]"


def test_a_single_call_needs_no_runs_no_journal_and_no_emulator() -> None:
    code = "import sys, octoffm_async.cli.commands.auth; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    parts = (
        "sqlite3",
        *(f"octoffm_async.{part}" for part in ("bulk", "journal", "sandbox", "cluster", "tabular.survey")),
    )
    names = loaded.split()
    assert "octoffm_async.client" in names
    assert [name for name in names if name.startswith(parts)] == []
    assert sum(name.startswith("octoffm_async") for name in names) <= 170


def test_a_command_is_completed_without_an_import() -> None:
    lines = run_alone(_OCTOFFM_COMPLETE="zsh_complete", COMP_WORDS="octoffm or", COMP_CWORD="1")
    assert lines == ["plain", "orders", "Shipping orders to customers.", "[]"]


def groups(group: click.Group) -> list[LazyGroup]:
    below = [command for command in group.commands.values() if isinstance(command, click.Group)]
    own = [group] if isinstance(group, LazyGroup) else []
    return own + [found for command in below for found in groups(command)]


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    found = groups(octoffm)
    assert {"octoffm", "orders", "contract"} <= {str(group.name) for group in found}
    for group in found:
        for name, later in group.later.items():
            command = group.commands[name]
            assert command.name == name
            assert command.get_short_help_str(200) == later.help


def test_no_line_of_a_list_of_commands_is_cut() -> None:
    for group in groups(octoffm):
        with click.Context(group, info_name="octoffm", terminal_width=80) as context:
            assert "...\n" not in group.get_help(context).partition("Commands:\n")[2], group.name


def test_commands_are_a_mapping_that_imports_one_value_at_a_time() -> None:
    commands = LazyCommands(
        {"a": Later("nowhere:a", "First."), "b": Later("octoffm_async.cli.demo.demo:demo", "Second.")}
    )
    own = click.Command("c", help="Third. And more.")
    commands["c"] = own
    assert (list(commands), len(commands), "a" in commands, "d" in commands) == (["a", "b", "c"], 3, True, False)
    assert {name: command.help for name, command in commands.described().items()} == {
        "a": "First.",
        "b": "Second.",
        "c": "Third. And more.",
    }
    assert commands["b"].name == "demo"
    assert commands["c"] is own
    with pytest.raises(ModuleNotFoundError):
        commands["a"]
    with pytest.raises(KeyError):
        commands["d"]
    del commands["a"], commands["c"]
    assert (list(commands), commands.get("a")) == (["b"], None)
    with pytest.raises(KeyError):
        del commands["a"]
