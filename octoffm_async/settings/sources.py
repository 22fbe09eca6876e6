"""Settings from ``OCTOFFM_…`` variables and TOML files, each with its origin.

A variable is the setting's name in capitals behind ``OCTOFFM_``; a key of a file is the name itself, at the top or
under ``[octoffm]``. Variables win over the file that ``OCTOFFM_CONFIG`` names, in which those of the profile
(``OCTOFFM_PROFILE``, ``[profiles.NAME]``) win over the others. A variable or key that is not known is refused, because
a setting that looks set and is not may cost parcels.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import msgspec

from ..errors import ConfigurationError
from ..text import decode_text
from .secret_sources import SECRET_SOURCES, FoundSetting, SecretSource, with_secret_source
from .typed import Settings
from .values import Limit

if TYPE_CHECKING:
    import os
    from collections.abc import Container, Iterable

PREFIX = "OCTOFFM_"
CONFIG, PROFILE = "OCTOFFM_CONFIG", "OCTOFFM_PROFILE"
KINDS: dict[str, Any] = get_type_hints(Settings)
"""The type of each setting, by name."""
_OTHERS = frozenset(
    PREFIX + name
    for name in (
        *("CONFIG", "PROFILE", *map(str.upper, SECRET_SOURCES)),
        *("BIN", "CLUSTER", "CLUSTER_KEY", "COMPLETE", "DRIFT", "JOURNAL", "REDIS"),  # of the command and its callers
        *("LOOPS", "MUTATIONS", "NEWEST", "PAIRS", "SEED", "THOROUGH"),  # of this package's tests
    )
)
_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT|PORT)(_[A-Z0-9_]+)?$")
"""Variables that Kubernetes and Docker set in every container beside a service whose name begins with ours."""
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,2})?")
_LIMIT = re.compile(r"(\d{1,18})/(\d{1,18}(?:\.\d{1,18})?)(?:/(\d{1,18}))?")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_NO_LIMIT = ("none", "off", "false")


def variable_of(name: str) -> str:
    """Return the variable of a setting."""
    return PREFIX + name.upper()


def read_settings(
    environment: Mapping[str, str],
    *,
    path: str | os.PathLike[str] | None = None,
    profile: str | None = None,
    given: Container[str] = (),
) -> dict[str, FoundSetting]:
    """Return the settings of the variables, and of a file: ``path``, or the one that ``OCTOFFM_CONFIG`` names.

    Those that are ``given`` otherwise are not read.

    Raises:
        ConfigurationError: A variable, a key or the profile is not known, a text is no value of its setting, or a file
            cannot be read.
    """
    _refuse_unknown_variables(environment)
    path = path or environment.get(CONFIG, "").strip()
    profile = profile or environment.get(PROFILE, "").strip()
    if profile and not path:
        raise ConfigurationError(f"a profile ({profile}) is in a file: name the file with {CONFIG}")
    found = _of_file(Path(path), profile) if path else {}
    variables: dict[str, FoundSetting] = {}
    for name in (*KINDS, *SECRET_SOURCES):
        if name not in given and (text := environment.get(variable_of(name), "").strip()):
            variables[name] = FoundSetting(_parsed(name, text, variable_of(name)), variable_of(name))
    found |= with_secret_source(variables, variable_of)
    found = {name: one for name, one in found.items() if name not in given}
    if (secret := found.get("client_secret")) is not None and isinstance(secret.value, SecretSource):
        found["client_secret"] = secret._replace(value=secret.value.read(secret.origin))
    return found


def nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return the question whether one of the known names is meant; empty if none is near."""
    near = get_close_matches(name.removeprefix(prefix), [one.removeprefix(prefix) for one in known], 1)
    return f" (did you mean {prefix}{near[0]}?)" if near else ""


def limit_from(value: Any) -> Limit | None:
    """Return the limit that a file or a variable describes.

    Raises:
        ConfigurationError: It is no limit.
    """
    match value:
        case None | Limit() | False:
            return value or None
        case {"calls": int(calls), **rest} if rest.keys() <= {"per", "burst"}:
            return Limit(calls, **cast("dict[str, Any]", rest))
        case str() if value.strip().lower() in _NO_LIMIT:
            return None
        case str() if parts := _LIMIT.fullmatch(value.strip()):
            return Limit(int(parts[1]), per=float(parts[2]), burst=int(parts[3]) if parts[3] else None)
        case _:
            raise ConfigurationError(f'a limit is "20/1", {{ calls = 20, per = 1.0 }} or false, not {value!r}')


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """Refuse variables that nothing reads, with the nearest one that is; an empty one is as good as none."""
    known = {variable_of(name) for name in KINDS} | _OTHERS
    unknown = [
        name + nearest(name, known, prefix=PREFIX)
        for name in sorted(environment)
        if name.startswith(PREFIX)
        and environment[name].strip()
        and name not in known
        and not _SERVICE_LINK.search(name)
    ]
    if unknown:
        raise ConfigurationError(
            f"no setting has the variable {', '.join(unknown)}: correct the name, or unset it; "
            "octoffm config show prints all"
        )


def _of_file(path: Path, profile: str) -> dict[str, FoundSetting]:
    try:
        table = tomllib.loads(decode_text(path.read_bytes()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from None
    settings = table.get("octoffm", table)
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{path}: octoffm must be a table")
    base = dict(cast("dict[str, Any]", settings))
    profiles = base.pop("profiles", table.get("profiles", {}))
    if not isinstance(profiles, dict) or not all(isinstance(one, dict) for one in cast("Any", profiles).values()):
        raise ConfigurationError(f"{path}: profiles must be tables, such as [profiles.staging]")
    named = cast("dict[str, dict[str, Any]]", profiles)
    for values in (base, *named.values()):  # of all profiles: a mistake is not left for the day when one is chosen
        if unknown := sorted(values.keys() - KINDS.keys() - {*SECRET_SOURCES}):
            told = ", ".join(name + nearest(name, (*KINDS, *SECRET_SOURCES)) for name in unknown)
            raise ConfigurationError(f"{path}: no setting {told}; there are {', '.join(sorted(KINDS))}")
    if profile and profile not in named:
        there = f"; there are {', '.join(sorted(named))}" if named else " ([profiles.NAME])"
        raise ConfigurationError(f"{path}: no profile {profile}{nearest(profile, named)}{there}")
    found = _of_table(base, str(path))
    return found | (_of_table(named[profile], f"{path}, profile {profile}") if profile else {})


def _of_table(values: dict[str, Any], origin: str) -> dict[str, FoundSetting]:
    found = {name: FoundSetting(value, origin) for name, value in values.items()}
    if limit := found.get("limit"):
        found["limit"] = limit._replace(value=limit_from(limit.value))
    if (limits := found.get("limits")) and isinstance(cast("object", limits.value), Mapping):
        groups = cast("Mapping[str, Any]", limits.value)
        found["limits"] = limits._replace(value={group: limit_from(value) for group, value in groups.items()})
    return with_secret_source(found, str)


def _parsed(name: str, text: str, variable: str) -> Any:
    """Return the value of a setting for the text of its variable, by the setting's type."""
    kind = KINDS.get(name, str)
    if kind is bool and text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    if kind is int and _WHOLE.fullmatch(text):
        return int(text)
    if kind is float and _NUMBER.fullmatch(text):
        return float(text)
    try:
        if name == "limit":
            return limit_from(text)
        if name == "limits":
            return _limits_from(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{variable}: {error}") from None
    if name == "headers":
        try:
            return msgspec.json.decode(text, type=dict[str, str])
        except msgspec.MsgspecError:  # not shown: a header may hold a password
            raise ConfigurationError(f'{variable} must be JSON such as {{"X-Team": "shop"}}') from None
    if kind not in (bool, int, float):
        return text
    wanted = {bool: "true or false", int: "a whole number such as 20", float: "a number such as 60 or 2.5"}[kind]
    raise ConfigurationError(f"{variable} must be {wanted}, not {text!r}")


def _limits_from(text: str) -> dict[str, Limit | None]:
    found: dict[str, Limit | None] = {}
    for part in text.split(","):
        group, equals, limit = part.partition("=")
        if not equals or group.strip() in found:
            raise ConfigurationError(f"limits of groups are stocks=40/1,outbound=none, each group once, not {text!r}")
        found[group.strip()] = limit_from(limit)
    return found
