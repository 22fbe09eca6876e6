"""The settings of a command, by the library's own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...config import Config
from ...settings.sources import read_settings
from ..options import environment

if TYPE_CHECKING:
    from pathlib import Path


def read_config(env_file: Path | None, **options: Any) -> Config:
    """Return the settings; those of the command's own options win, where they are given.

    Raises:
        ConfigurationError: Settings are missing or wrong.
    """
    return Config.from_env(
        environment(env_file), **{name: value for name, value in options.items() if value is not None}
    )


def read_setting(env_file: Path | None, name: str) -> str:
    """Return one setting that is a text, without the settings that only calls need; empty if it is not set.

    Raises:
        ConfigurationError: A source of settings is wrong.
    """
    found = read_settings(environment(env_file), given=("client_secret",)).get(name)  # a command may print that
    return "" if found is None else str(found.value)
