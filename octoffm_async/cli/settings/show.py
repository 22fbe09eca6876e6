"""``octoffm config``: the settings, and where each comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ...config import Config
from ...settings.sources import CONFIG, KINDS, read_settings, variable_of
from ...settings.values import Limit, Secret
from ..errors import ExitCode
from ..options import env_file_option, environment, given_variables, json_option, verbose_option, with_options
from ..output import Column, print_json_line, print_table

if TYPE_CHECKING:
    from pathlib import Path

group: click.Group = click.Group("config", help="Settings, and where each comes from.")

_MISSING = "missing"


class _Row(NamedTuple):
    setting: str
    value: Any
    origin: str
    variable: str


_COLUMNS = (Column("setting", "setting"), Column("value", "value"), Column("comes from", "origin"))


@group.command("show")
@with_options(env_file_option, json_option, verbose_option)
def show(env_file: Path | None, as_json: bool) -> int:
    """Print each setting with its value and where it comes from. Nothing is sent; secrets are shown as ***.

    Each has a variable, its name in capitals behind OCTOFFM_, and a key of its name in the TOML file that --config or
    OCTOFFM_CONFIG names. Options win over variables, variables over the file, and there [profiles.NAME] (--profile or
    OCTOFFM_PROFILE) over what stands at the top. OCTOFFM_CLIENT_SECRET_FILE names a file with the secret,
    OCTOFFM_CLIENT_SECRET_COMMAND a command that prints it.

    Exits with 0 if a client can be made of them, 2 if not.
    """
    variables = environment(env_file)
    found = read_settings(variables)
    values = {name: one.value for name, one in found.items()}
    missing = [name for name in ("client_id", "client_secret", "seller_id") if name not in found]
    checked: dict[str, Any] = {**dict.fromkeys(missing, "x"), **values}
    config = Config(**checked)  # the others are checked all the same
    rows: list[_Row] = []
    for name in KINDS:
        origin = _origin(found[name].origin, variables, env_file) if name in found else "default"
        value = values.get(name) if name == "contract" else getattr(config, name)
        row = _Row(name, value_text(name, value, as_json=as_json), origin, variable_of(name))
        rows.append(row._replace(value=None if as_json else "", origin=_MISSING) if name in missing else row)
    if as_json:
        for row in rows:
            print_json_line(row._asdict())
    else:
        print_table(rows, _COLUMNS)
    if missing:
        click.echo(f"octoffm: missing: {', '.join(map(variable_of, missing))}, or a file ({CONFIG})", err=True)
    return ExitCode.USAGE if missing else ExitCode.DONE


def _origin(origin: str, variables: dict[str, str], env_file: Path | None) -> str:
    """Return where a setting comes from; a variable may stand for an option, or in ``--env-file``."""
    if origin in given_variables(click.get_current_context()):
        return "--setting"
    if origin in variables and variables[origin] != os.environ.get(origin):
        return f"{env_file}: {origin}"
    return origin


def value_text(name: str, value: Any, *, as_json: bool = False) -> Any:
    """Return a value as it is written in a variable, or for JSON; secrets and the values of headers are hidden."""
    match value:
        case Secret():
            return "***"
        case Limit(calls, per, burst):
            return f"{calls}/{per:g}" + ("" if burst is None else f"/{burst}")
        case None if name == "limit":
            return "none"
        case dict() if name == "headers":
            return ", ".join(f"{header}: ***" for header in value)  # pyright: ignore[reportUnknownVariableType]
        case dict():
            limits: dict[Any, Limit | None] = value  # pyright: ignore[reportUnknownVariableType]
            shown = {group.value: value_text("limit", limit, as_json=as_json) for group, limit in limits.items()}
            return shown if as_json else ",".join(f"{group}={limit}" for group, limit in shown.items())
        case bool() | int() | float() if not as_json:
            return str(value).lower() if isinstance(value, bool) else f"{value:g}" if value < 1e6 else str(value)
        case None:
            return None if as_json else ""
        case _:
            return value if isinstance(value, (bool, int, float)) else str(value)
