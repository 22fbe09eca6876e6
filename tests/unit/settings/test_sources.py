"""Every setting by keyword, variable, file and command; who wins; what is not known is named with what is near."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import typing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

import octoffm_async.config
from octoffm_async import Config, ConfigurationError, FulfillmentClient, Limit, Secret
from octoffm_async.cli.settings.reading import read_setting
from octoffm_async.cli.settings.show import show
from octoffm_async.settings import secret_sources
from octoffm_async.settings.sources import KINDS, read_settings
from octoffm_async.settings.typed import Settings

ROOT = Path(__file__).parents[3]
SECRET = "s3cr3t-of-the-client"
BASE = {"client_id": "id", "client_secret": SECRET, "seller_id": "12345"}
VARIABLES = {f"OCTOFFM_{name.upper()}": value for name, value in BASE.items()}


class Case(NamedTuple):
    """A setting: its value, the text of a variable, what a TOML file says, and what the command shows if not that."""

    value: Any
    text: str
    toml: str
    shown: Any = ...


def text(value: str, shown: Any = ...) -> Case:
    return Case(value, value, json.dumps(value), shown)


def number(value: float) -> Case:
    return Case(value, str(value), str(value))


def switch() -> Case:
    return Case(True, "true", "true")


CASES: dict[str, Case] = {
    "client_id": text("another"),
    "client_secret": text("an0ther", "***"),
    "seller_id": text("98980"),
    "base_url": text("https://other.example/v2"),
    "token_url": text("https://other.example/token"),
    "sales_channel_id": text("CDISFR"),
    "store": Case(Secret("postgresql://u:w0rd@h/n"), "postgresql://u:w0rd@h/n", '"postgresql://u:w0rd@h/n"', "***"),
    "processes": number(20),
    "token_file": text("tokens.json"),
    "contract": text("own.toml"),
    "deadline": number(2.5),
    "bulk_deadline": number(1800.0),
    "connect_timeout": number(3.0),
    "read_timeout": number(4.0),
    "max_attempts": number(3),
    "backoff_base": number(0.25),
    "backoff_cap": number(5.0),
    "throttle_base": number(0.5),
    "max_retry_after": number(60.0),
    "retry_budget": number(100),
    "limit": Case(Limit(600, per=60.0, burst=5), "600/60/5", '"600/60/5"', "600/60/5"),
    "limits": Case(
        {"stocks": Limit(40), "outbound": None},
        "stocks=40/1, outbound=none",
        '{ stocks = { calls = 40 }, outbound = "none" }',
        {"stocks": "40/1", "outbound": "none"},
    ),
    "limit_jitter": number(0.05),
    "max_in_flight": number(10),
    "max_waiting": number(100),
    "bulk_share": number(0.5),
    "max_connections": number(100),
    "keepalive": number(5.0),
    "max_answer_bytes": number(1048576),
    "allow_insecure_http": switch(),
    "trust_env": switch(),
    "proxy": Case(Secret("http://u:w0rd@proxy:3128"), "http://u:w0rd@proxy:3128", '"http://u:w0rd@proxy:3128"', "***"),
    "ca_file": text("ca.pem"),
    "client_certificate": text("own.pem"),
    "client_key": text("own.key"),
    "app_info": text("shop/1.2"),
    "headers": Case({"X-Team": "shop"}, '{"X-Team": "shop"}', '{ X-Team = "shop" }', "X-Team: ***"),
}
NEEDED = {"client_key": {"client_certificate": "own.pem"}}
"""Settings that another one needs."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path) -> None:
    for name in [name for name in os.environ if name.startswith("OCTOFFM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text("")


def settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {getattr(key, "value", key): one for key, one in value.items()}
    return value.reveal() if isinstance(value, Secret) else value


def value_of(config: Config, name: str) -> Any:
    return str(config.contract_file.path) if name == "contract" else settled(getattr(config, name))


def test_every_setting_is_in_the_tables_and_in_the_types() -> None:
    names = {one.name for one in dataclasses.fields(Config)}
    assert {*CASES} == names
    hints = typing.get_type_hints(Config, vars(octoffm_async.config))
    assert {name: hints[name] for name in names} == KINDS == typing.get_type_hints(Settings)


@pytest.mark.parametrize("name", CASES)
def test_a_setting_by_keyword_variable_file_and_command(name: str, tmp_path: Path) -> None:
    case, more = CASES[name], NEEDED.get(name, {})
    variable = f"OCTOFFM_{name.upper()}"
    head = "".join(f"{one} = {json.dumps(value)}\n" for one, value in (BASE | more).items() if one != name)
    file = tmp_path / "octoffm.toml"
    file.write_text(f"{head}{name} = {case.toml}\n")
    others = {f"OCTOFFM_{one.upper()}": value for one, value in more.items()}

    by_keyword = Config(**{**BASE, **more, name: case.value})
    by_variable = Config.from_env({**VARIABLES, **others, variable: case.text})
    by_file = Config.from_file(file, environment={})
    assert by_keyword == by_variable == by_file != Config(**BASE)
    if name not in ("contract", "client_secret"):
        assert settled(getattr(by_file, name)) == settled(case.value)

    env = {**VARIABLES, **others}
    shown = case.text if case.shown is ... else case.shown
    shown = case.value if isinstance(case.value, int | float) else shown
    ways = [(["--setting", f"{name}={case.text}"], env, "--setting"), ([], {**env, variable: case.text}, variable)]
    ways += [([], {"OCTOFFM_CONFIG": str(file)}, str(file)), (["--config", str(file)], {}, str(file))]
    for options, environment, origin in ways[1:] if name == "client_secret" else ways:
        done = CliRunner().invoke(show, [*options, "--json"], env=environment, standalone_mode=False)
        assert done.exception is None, done.exception
        (row,) = [row for row in map(json.loads, done.stdout.splitlines()) if row["setting"] == name]
        assert row == {"setting": name, "value": shown, "origin": origin, "variable": variable}
        assert not any(hidden in done.output for hidden in (SECRET, "w0rd", "an0ther"))
        assert CliRunner().invoke(show, options, env=environment, standalone_mode=False).return_value == 0


def test_who_wins(tmp_path: Path) -> None:
    file = tmp_path / "octoffm.toml"
    base = "".join(f'{name} = "{value}"\n' for name, value in BASE.items())
    file.write_text(
        f"{base}deadline = 1\nkeepalive = 1\nread_timeout = 1\n[profiles.staging]\ndeadline = 2\nkeepalive = 2\n"
    )
    environment = {"OCTOFFM_CONFIG": str(file), "OCTOFFM_PROFILE": "staging", "OCTOFFM_DEADLINE": "3"}
    config = Config.from_env(environment)
    assert (config.deadline, config.keepalive, config.read_timeout) == (3, 2, 1)
    assert Config.from_env(environment, deadline=4).deadline == 4
    assert Config.from_file(file, environment={}).keepalive == 1
    assert Config.from_file(file, environment={"OCTOFFM_CONFIG": "nowhere"}, profile="staging").keepalive == 2
    origins = {name: one.origin for name, one in read_settings(environment).items()}
    assert origins["deadline"] == "OCTOFFM_DEADLINE"
    assert (origins["keepalive"], origins["read_timeout"]) == (f"{file}, profile staging", str(file))


def test_a_client_without_arguments_reads_the_environment(monkeypatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="OCTOFFM_CLIENT_ID, OCTOFFM_CLIENT_SECRET, OCTOFFM_SELLER_ID"):
        FulfillmentClient()
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert FulfillmentClient().seller_id == "12345"
    assert FulfillmentClient(seller_id="7", deadline=2).config.deadline == 2
    assert FulfillmentClient(Config(**BASE), deadline=2).config == Config(**BASE, deadline=2)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"OCTOFFM_LIMITT": "1/1"}, "OCTOFFM_LIMITT (did you mean OCTOFFM_LIMIT?)"),
        ({"OCTOFFM_SELLER": "1"}, "OCTOFFM_SELLER (did you mean OCTOFFM_SELLER_ID?)"),
        ({"OCTOFFM_QQQQ": "1"}, "OCTOFFM_QQQQ: correct"),
        ({"OCTOFFM_DEADLINE": "5s"}, "OCTOFFM_DEADLINE must be a number such as"),
        ({"OCTOFFM_DEADLINE": "nan"}, "OCTOFFM_DEADLINE must be a number such as"),
        ({"OCTOFFM_DEADLINE": "-1"}, "deadline must be above zero"),
        ({"OCTOFFM_DEADLINE": "2,5"}, "OCTOFFM_DEADLINE must be a number such as"),
        ({"OCTOFFM_MAX_ATTEMPTS": "2.5"}, "OCTOFFM_MAX_ATTEMPTS must be a whole number"),
        ({"OCTOFFM_MAX_ATTEMPTS": "1_0"}, "OCTOFFM_MAX_ATTEMPTS must be a whole number"),
        ({"OCTOFFM_TRUST_ENV": "ja"}, "OCTOFFM_TRUST_ENV must be true or false"),
        ({"OCTOFFM_LIMIT": "500"}, 'OCTOFFM_LIMIT: a limit is "20/1"'),
        ({"OCTOFFM_LIMIT": "0/1"}, "OCTOFFM_LIMIT: not a limit"),
        ({"OCTOFFM_LIMITS": "stocks"}, "OCTOFFM_LIMITS: limits of groups are"),
        ({"OCTOFFM_LIMITS": "stocks=1/1,stocks=2/1"}, "each group once"),
        ({"OCTOFFM_LIMITS": "parcels=1/1"}, "no group 'parcels'"),
        ({"OCTOFFM_HEADERS": "X-Team=shop"}, "OCTOFFM_HEADERS must be JSON"),
        ({"OCTOFFM_PROXY": "u:w0rd@proxy:3128"}, "proxy is not an address such as"),
        ({"OCTOFFM_PROXY": "socks5://u:w0rd@proxy"}, "proxy is not an address such as"),
        ({"OCTOFFM_CLIENT_KEY": "own.key"}, "client_key is set, and client_certificate is not"),
        ({"OCTOFFM_PROFILE": "staging"}, "name the file with OCTOFFM_CONFIG"),
        ({"OCTOFFM_CONFIG": "nowhere.toml"}, "cannot read nowhere.toml: No such file"),
        ({"OCTOFFM_CLIENT_SECRET_FILE": "secret"}, "OCTOFFM_CLIENT_SECRET and OCTOFFM_CLIENT_SECRET_FILE are both set"),
        ({"OCTOFFM_CLIENT_SECRET_COMMAND": "true"}, "OCTOFFM_CLIENT_SECRET_COMMAND are both set"),
    ],
    ids=str,
)
def test_a_wrong_variable_is_told(variables: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_env(VARIABLES | variables)
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "w0rd" not in str(caught.value)


def test_variables_that_a_cluster_sets_beside_a_service_are_no_mistakes() -> None:
    links = {
        "OCTOFFM_BIN": "/usr/bin/octoffm",
        "OCTOFFM_SERVICE_HOST": "10.0.0.1",
        "OCTOFFM_PORT": "tcp://10.0.0.1:80",
        "OCTOFFM_WEB_PORT_80_TCP_ADDR": "x",
    }
    links |= {"OCTOFFM_WEB_SERVICE_PORT_HTTP": "80", "OCTOFFM_EMPTY": ""}
    assert Config.from_env(VARIABLES | links) == Config(**BASE)


def test_every_variable_that_this_package_names_is_known() -> None:
    folders = [ROOT / name for name in ("octoffm_async", "examples", "benchmarks", ".ci")]
    texts = [
        path.read_text("utf-8")
        for one in folders
        for path in one.rglob("*")
        if path.suffix in ("", ".py", ".md") and path.is_file()
    ]
    texts += [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    texts += [(ROOT / name).read_text("utf-8") for name in ("README.md", "CHANGELOG.md")]
    named = {found for one in texts for found in re.findall(r"(?<!_)OCTOFFM_[A-Z][A-Z_]*[A-Z]", one)}
    assert {"OCTOFFM_JOURNAL", "OCTOFFM_THOROUGH", "OCTOFFM_STORE"} <= named
    safe = {"OCTOFFM_CLIENT_ID": "id", "OCTOFFM_SELLER_ID": "1"}
    read_settings(dict.fromkeys(named, "") | safe)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("deadlin = 1", "no setting deadlin (did you mean deadline?)"),
        ("[profiles.staging]\ndeadlin = 1", "no setting deadlin (did you mean deadline?)"),
        ("[profiles.stagin]", "no profile staging (did you mean stagin?)"),
        ("", "no profile staging ([profiles.NAME])"),
        ("[profiles]\nstaging = 1", "profiles must be tables"),
        ("profiles = 5", "profiles must be tables"),
        ("client_secret_file = 5\n[profiles.staging]", "client_secret_file must be a path"),
        ('client_secret_command = ""\n[profiles.staging]', "client_secret_command must be a command"),
        ('client_secret_file = "a"\nclient_secret_command = "b"\n[profiles.staging]', "command are both set"),
        ("trust_env = 1\n[profiles.staging]", "trust_env must be true or false"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, toml: str, told: str) -> None:
    (tmp_path / "o.toml").write_text('client_id = "id"\nseller_id = "1"\n' + toml)
    given = {} if "client_secret" in toml else {"client_secret": "a"}
    with pytest.raises(ConfigurationError) as caught:
        Config.from_file("o.toml", profile="staging", environment={}, **given)
    assert told in str(caught.value)


def test_a_secret_from_a_file_is_read_only_if_it_counts(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(f"{SECRET}\r\n".encode("utf-16"))
    others = {"OCTOFFM_CLIENT_ID": "id", "OCTOFFM_SELLER_ID": "12345"}
    assert Config.from_env({**others, "OCTOFFM_CLIENT_SECRET_FILE": "secret"}) == Config(**BASE)
    (tmp_path / "o.toml").write_text('client_id = "id"\nseller_id = "12345"\nclient_secret_file = "secret"\n')
    assert Config.from_file("o.toml", environment={}) == Config(**BASE)
    (tmp_path / "o.toml").write_text('client_id = "id"\nseller_id = "12345"\nclient_secret_file = "gone"\n')
    assert Config.from_file("o.toml", environment={"OCTOFFM_CLIENT_SECRET": SECRET}) == Config(**BASE)
    assert Config.from_file("o.toml", environment={}, client_secret=SECRET) == Config(**BASE)
    with pytest.raises(ConfigurationError, match="cannot read the client's secret in gone"):
        Config.from_file("o.toml", environment={})
    for content, told in ((b" \n", "empty"), (b"x" * 70_000, "too large"), (b"\xff\xfe\x00", "no text")):
        (tmp_path / "secret").write_bytes(content)
        with pytest.raises(ConfigurationError, match=told):
            Config.from_env({**others, "OCTOFFM_CLIENT_SECRET_FILE": "secret"})


@pytest.mark.skipif(sys.platform == "win32", reason="has no printf")
def test_a_secret_from_a_command_is_asked_for_only_if_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {"OCTOFFM_CLIENT_ID": "id", "OCTOFFM_SELLER_ID": "12345"}
    command = f"printf '%s\\n' '{SECRET}'"
    assert Config.from_env({**others, "OCTOFFM_CLIENT_SECRET_COMMAND": command}) == Config(**BASE)
    toml = """client_id = "id"\nseller_id = "12345"\nclient_secret_command = "touch ran"\n[profiles.other]\n"""
    (tmp_path / "o.toml").write_text(f'{toml}client_secret = "{SECRET}"\n')
    assert Config.from_file("o.toml", environment={}, profile="other") == Config(**BASE)
    assert Config.from_file("o.toml", environment={"OCTOFFM_CLIENT_SECRET": SECRET}) == Config(**BASE)
    assert Config.from_file("o.toml", environment={}, client_secret=SECRET) == Config(**BASE)
    monkeypatch.setenv("OCTOFFM_CONFIG", "o.toml")
    assert read_setting(None, "seller_id") == "12345"
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ConfigurationError, match=r"^o\.toml: what the command printed is empty$"):
        Config.from_file("o.toml", environment={})
    assert (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no sh")
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (f"sh -c 'echo {SECRET}; exit 7'", r"failed \(exit code 7\): run it by hand"),
        (f"no-such-store {SECRET}", "cannot run the command for the client's secret: No such file"),
        (f"printf '{SECRET}", "cannot run the command for the client's secret: No closing quotation"),
        ("head -c 70000 /dev/zero", "what the command printed is too large"),
        (r"printf '\377\376\0'", "what the command printed is no text"),
        (f"sh -c 'echo {SECRET}; exec sleep 60'", "printed no secret in 0.01 s: run it by hand"),
    ],
)
def test_a_command_without_a_secret_is_told_and_its_output_is_not_shown(
    command: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in command:
        monkeypatch.setattr(secret_sources, "_COMMAND_SECONDS", 0.01)
    others = {"OCTOFFM_CLIENT_ID": "id", "OCTOFFM_SELLER_ID": "12345"}
    with pytest.raises(ConfigurationError, match=told) as caught:
        Config.from_env({**others, "OCTOFFM_CLIENT_SECRET_COMMAND": command})
    assert SECRET not in str(caught.value)


def test_the_command_says_what_is_missing_and_takes_no_secret() -> None:
    done = CliRunner().invoke(show, ["--profile", "x"], standalone_mode=False)
    assert "name the file with OCTOFFM_CONFIG" in str(done.exception)
    done = CliRunner().invoke(show, ["--setting", f"client_secret={SECRET}"], standalone_mode=False)
    assert "other users of this machine" in str(done.exception)
    done = CliRunner().invoke(show, [], env={"OCTOFFM_CLIENT_ID": "id"}, standalone_mode=False)
    assert done.return_value == 2
    assert "missing: OCTOFFM_CLIENT_SECRET, OCTOFFM_SELLER_ID" in done.stderr


def test_an_env_file_is_told_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("export OCTOFFM_DEADLINE=7\n")
    done = CliRunner().invoke(show, ["--env-file", "env", "--json"], env=VARIABLES, standalone_mode=False)
    rows = {row["setting"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert (rows["deadline"]["value"], rows["deadline"]["origin"]) == (7.0, "env: OCTOFFM_DEADLINE")
    assert (rows["keepalive"]["origin"], rows["seller_id"]["origin"]) == ("default", "OCTOFFM_SELLER_ID")
