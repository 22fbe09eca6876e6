"""Commands to type next, for the user to copy."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from os import PathLike

UNREAD = "Items never read from the input are not in the journal: for those, run the same command again with its input."


def jobs_command(
    verb: str,
    journal: object,
    run: str,
    *,
    env_file: str | None = None,
    contract: PathLike[str] | None = None,
) -> str:
    """Return ``octoffm jobs VERB RUN --journal …``, quoted for a shell."""
    words = ["octoffm", "jobs", verb, run, "--journal", str(journal)]
    if env_file is not None and verb == "resume":
        words += ["--env-file", env_file]
    if contract is not None and verb == "resume":
        words += ["--contract", str(contract)]
    return shlex.join(words)


def resume_command(
    journal: object, run: str, *, env_file: str | None = None, contract: PathLike[str] | None = None
) -> str:
    """Return the command that resumes a run."""
    return jobs_command("resume", journal, run, env_file=env_file, contract=contract)


def settle_command(journal: object, key: str, what: str = "") -> str:
    """Return ``octoffm jobs settle … KEY``, quoted for a shell with any key; ``what`` is the verdict."""
    words = shlex.join(["octoffm", "jobs", "settle", "--journal", str(journal)])
    name = shlex.quote(key) if key.isprintable() else f"$'{''.join(map(_escaped, key))}'"
    return f"{words}{what and ' '}{what} {'-- ' if key.startswith('-') else ''}{name}"


def _escaped(sign: str) -> str:
    """Return a character as it is written between ``$'`` and ``'``."""
    if sign in "\\'":
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"


def print_interrupted(
    journal: object, run: str, *, env_file: str | None = None, contract: PathLike[str] | None = None
) -> None:
    """Print on standard error that a run was interrupted, that nothing is lost, and how to resume it."""
    click.echo("octoffm: interrupted; the journal knows what was sent. To resume:", err=True)
    click.echo(f"  {resume_command(journal, run, env_file=env_file, contract=contract)}", err=True)
