"""What a command tells its user to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from os import PathLike

UNREAD = "Items never read from the input are not in the journal: for those, run the same command again with its input."


def jobs_command(
    verb: str,
    journal: str | PathLike[str],
    run: str,
    *,
    env_file: str | None = None,
    contract: PathLike[str] | None = None,
) -> str:
    """``octoffm jobs VERB RUN --journal …``, to be copied into a shell."""
    words = ["octoffm", "jobs", verb, run, "--journal", str(journal)]
    if env_file is not None and verb == "resume":
        words += ["--env-file", env_file]
    if contract is not None and verb == "resume":
        words += ["--contract", str(contract)]
    return shlex.join(words)


def resume_command(
    journal: str | PathLike[str], run: str, *, env_file: str | None = None, contract: PathLike[str] | None = None
) -> str:
    """The command that goes on with a run."""
    return jobs_command("resume", journal, run, env_file=env_file, contract=contract)


def settle_command(journal: str | PathLike[str], key: str, what: str = "") -> str:
    """``octoffm jobs settle … KEY``, to be copied into a shell, whatever signs the key has; ``what`` is said of it."""
    words = shlex.join(["octoffm", "jobs", "settle", "--journal", str(journal)])
    name = shlex.quote(key) if key.isprintable() else f"$'{''.join(map(_escaped, key))}'"
    return f"{words}{what and ' '}{what} {'-- ' if key.startswith('-') else ''}{name}"


def _escaped(sign: str) -> str:
    """A sign as it stands between ``$'`` and ``'``."""
    if sign in "\\'":
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"


def tell_interrupted(
    journal: str | PathLike[str], run: str, *, env_file: str | None = None, contract: PathLike[str] | None = None
) -> None:
    """Say on standard error that a run was interrupted, that nothing is lost, and how to go on."""
    click.echo("octoffm: interrupted; the journal knows what was sent. To go on:", err=True)
    click.echo(f"  {resume_command(journal, run, env_file=env_file, contract=contract)}", err=True)
