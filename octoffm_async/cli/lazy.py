"""Groups of commands that import a command only when it is called.

``octoffm --version``, a list of commands and the completion of a name then need none of the modules that do the work:
those import the whole client. A group gets its commands as :class:`Later`, with the first sentence of their help.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Mapping


class Later(NamedTuple):
    """A command that is not imported yet: ``module:name``, and the first sentence of its help."""

    place: str
    help: str


class LazyCommands(MutableMapping[str, click.Command]):
    """The commands of a group, by name; reading a value imports it, reading the names does not."""

    def __init__(self, later: Mapping[str, Later]) -> None:
        self._later = dict(later)
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module, _, attribute = self._later[name].place.partition(":")
            self._loaded[name] = getattr(importlib.import_module(module), attribute)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        found = self._later.pop(name, None), self._loaded.pop(name, None)
        if found == (None, None):
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._later | self._loaded)

    def __len__(self) -> int:
        return len(self._later.keys() | self._loaded.keys())

    def __contains__(self, name: object) -> bool:
        return name in self._later or name in self._loaded

    def described(self) -> dict[str, click.Command]:
        """Return the commands sorted by name, those not imported as empty ones with their help."""
        return {
            name: self._loaded.get(name) or click.Command(name, help=self._later[name].help) for name in sorted(self)
        }


class LazyGroup(click.Group):
    """A group whose commands may be :class:`Later`; other commands are added as usual."""

    def __init__(self, name: str | None = None, *, later: Mapping[str, Later], **settings: Any) -> None:
        self.later = later
        self._commands = LazyCommands(later)
        super().__init__(name, self._commands, **settings)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        click.Group(commands=self._commands.described()).format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with a text, without importing the commands."""
        names = [
            CompletionItem(name, help=command.get_short_help_str())
            for name, command in self._commands.described().items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)
