"""The client's secret from a file, as containers mount it, or from a command, such as that of a password store."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigurationError
from ..text import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET_FILE, SECRET_COMMAND = "client_secret_file", "client_secret_command"
SECRET_SOURCES = (SECRET_FILE, SECRET_COMMAND)
_MOST = 65_536
_COMMAND_SECONDS = 60.0
"""Time for a command, in which a person may have to unlock the store."""


class FoundSetting(NamedTuple):
    """The value of a setting, and the variable or the file that it comes from."""

    value: Any
    origin: str


class SecretSource(NamedTuple):
    """A file or a command that holds the secret; it is read only if no setting overrides it."""

    name: str
    text: str

    def read(self, origin: str) -> str:
        """Return the secret, without the white space around it.

        Raises:
            ConfigurationError: The file cannot be read, the command fails, or what they hold is no secret.
        """
        content = _file_content(self.text, origin) if self.name == SECRET_FILE else _command_output(self.text, origin)
        what = self.text if self.name == SECRET_FILE else "what the command printed"
        if len(content) > _MOST:
            raise ConfigurationError(f"{origin}: {what} is too large for a secret")
        try:
            secret = decode_text(content).strip()
        except UnicodeDecodeError:
            raise ConfigurationError(f"{origin}: cannot read the client's secret: {what} is no text") from None
        if not secret:
            raise ConfigurationError(f"{origin}: {what} is empty")
        return secret


def with_secret_source(found: dict[str, FoundSetting], spelt: Callable[[str], str]) -> dict[str, FoundSetting]:
    """Put the file or command that holds the secret in the place of the secret.

    Raises:
        ConfigurationError: The secret is set in two ways, or the file or command is no text.
    """
    named = [name for name in ("client_secret", *SECRET_SOURCES) if name in found]
    if len(named) > 1:
        raise ConfigurationError(f"{' and '.join(map(spelt, named))} are both set: leave out one")
    if not named or named[0] == "client_secret":
        return found
    source = found.pop(named[0])
    if not isinstance(source.value, str) or not source.value.strip() or "\0" in source.value:
        what = "a path" if named[0] == SECRET_FILE else 'a command such as "pass show octopia"'
        raise ConfigurationError(f"{source.origin}: {named[0]} must be {what}")
    return found | {"client_secret": source._replace(value=SecretSource(named[0], source.value))}


def _file_content(path: str, origin: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_MOST + 1)
    except OSError as error:
        raise ConfigurationError(f"{origin}: cannot read the client's secret in {path}: {error.strerror}") from None


def _command_output(command: str, origin: str) -> bytes:
    """Run a command, without a shell; what it asks or complains about goes to standard error as it is."""
    try:
        arguments = command if os.name == "nt" else shlex.split(command)
        done = subprocess.run(  # noqa: S603  (the user's own)
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, ValueError) as error:  # not shown: an argument may be a password of the store
        why = error.strerror if isinstance(error, OSError) else f"{error} in it"
        raise ConfigurationError(f"{origin}: cannot run the command for the client's secret: {why}") from None
    except subprocess.TimeoutExpired:
        why = f"no secret in {_COMMAND_SECONDS:g} s: run it by hand and see what it waits for"
        raise ConfigurationError(f"{origin}: the command printed {why}") from None
    if done.returncode:
        raise ConfigurationError(
            f"{origin}: the command for the client's secret failed (exit code {done.returncode}): run it by hand"
        )
    return done.stdout
