"""Settings: what is missing is named, what cannot work is refused, what is secret stays so."""

import copy
import dataclasses
import math
import pickle

import pytest

from octoffm_async import Config, ConfigurationError, FulfillmentClient, Limit, Secret
from octoffm_async.contract.operations import Group

TEXT = "s3cr3t-of-the-client"
ENVIRONMENT = {"OCTOFFM_CLIENT_ID": "id", "OCTOFFM_CLIENT_SECRET": TEXT, "OCTOFFM_SELLER_ID": "12345"}
TOML = f'client_id = "id"\nclient_secret = "{TEXT}"\nseller_id = "12345"\n'


def made(**changes: object) -> Config:
    return Config(**({"client_id": "id", "client_secret": TEXT, "seller_id": "12345"} | changes))


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "octoffm.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_defaults_are_the_documented_addresses() -> None:
    config = made()
    assert config.base_url == "https://api.octopia-io.net/seller/v2"
    assert config.token_url == "https://auth.octopia-io.net/auth/realms/maas/protocol/openid-connect/token"


def test_from_env() -> None:
    more = {
        "OCTOFFM_BASE_URL": "https://other/v2/",
        "OCTOFFM_TOKEN_URL": "https://other/token",
        "OCTOFFM_SALES_CHANNEL_ID": "CDISFR",
    }
    config = Config.from_env(ENVIRONMENT | more, deadline=5.0)
    assert (config.client_id, config.secret.reveal(), config.seller_id) == ("id", TEXT, "12345")
    assert (config.base_url, config.token_url) == ("https://other/v2", "https://other/token")
    assert (config.sales_channel_id, config.deadline) == ("CDISFR", 5.0)


def test_from_env_reads_the_environment(monkeypatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert Config.from_env().seller_id == "12345"
    assert FulfillmentClient.from_env(seller_id="7").seller_id == "7"


@pytest.mark.parametrize(
    "absent", [[name] for name in ENVIRONMENT] + [list(ENVIRONMENT), list(ENVIRONMENT)[:2]], ids=" ".join
)
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_from_env_names_all_that_is_missing(absent, empty) -> None:
    environment = {name: empty if name in absent else value for name, value in ENVIRONMENT.items()}
    with pytest.raises(ConfigurationError) as caught:
        Config.from_env({name: value for name, value in environment.items() if value is not None})
    assert [name for name in ENVIRONMENT if name in str(caught.value)] == absent
    assert TEXT not in str(caught.value)


def test_overrides_fill_and_win() -> None:
    assert Config.from_env({}, client_id="a", client_secret="b", seller_id="c").client_id == "a"
    assert Config.from_env(ENVIRONMENT, seller_id="c").seller_id == "c"


@pytest.mark.parametrize("head", ["", "[octoffm]\n"])
def test_from_file(file, head) -> None:
    text = head + TOML + "deadline = 5\nlimit = false\n"
    config = Config.from_file(file(text + f"[{'octoffm.' if head else ''}limits]\nstocks = {{ calls = 7, per = 2 }}\n"))
    assert (config.client_id, config.secret.reveal(), config.deadline) == ("id", TEXT, 5)
    assert config.limit is None
    assert config.limit_for(Group.STOCKS) == Limit(7, per=2.0)
    assert config.limit_for(Group.OUTBOUND) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "missing: client_id, client_secret, seller_id"),
        ('client_id = "a"', "missing: client_secret, seller_id"),
        (TOML + "deadlin = 5", "no setting deadlin"),
        (TOML + 'base_url = "ftp://x"', "not an http"),
        (TOML + "deadline = 0", "deadline must be above zero"),
        (TOML + "deadline = nan", "deadline must be above zero"),
        (TOML + "limit = 20", "a limit is"),
        (TOML + 'limit = "20"', "a limit is"),
        (TOML + "limit = { per = 1 }", "a limit is"),
        (TOML + "limit = { calls = 1, pre = 1 }", "a limit is"),
        (TOML + "limit = { calls = 1.5 }", "a limit is"),
        (TOML + "limit = { calls = 0 }", "not a limit"),
        (TOML + "limit = { calls = 1, per = 0 }", "not a limit"),
        (TOML + "limit = { calls = 1, burst = 0 }", "not a limit"),
        (
            TOML + "[limits]\nparcels = { calls = 1 }",
            "no group 'parcels'; there are products, inbound, stocks, outbound",
        ),
        ("client_id = ", "cannot read"),
        ("[", "cannot read"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(file, text, told) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_file(file(text))
    assert told in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name in ("nothing.toml", "binary.toml", "."):
        with pytest.raises(ConfigurationError, match="cannot read"):
            Config.from_file(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        TOML.replace('"12345"', "12345"),
        TOML.replace('"id"', "17"),
        TOML + 'deadline = "60"',
        TOML + "base_url = 5",
        TOML + "max_attempts = 2.5",
        TOML + 'limit = { calls = 1, per = "fast" }',
        TOML + "limits = 5",
        TOML + "limits = [1]",
        "octoffm = 5\n" + TOML,
    ],
)
def test_a_setting_of_the_wrong_type_is_told(file, text) -> None:
    with pytest.raises(ConfigurationError):
        Config.from_file(file(text))


@pytest.mark.parametrize("name", ["base_url", "token_url"])
@pytest.mark.parametrize(
    "url",
    [
        "https://h",
        "https://h:8443/x",
        "HTTPS://h/",
        "http://localhost:1/x",
        "http://127.0.0.1",
        "http://127.8.8.8:9",
        "http://[::1]:8/x",
    ],
)
def test_addresses_that_are_accepted(name, url) -> None:
    assert getattr(made(**{name: url}), name).startswith(url.rstrip("/"))


@pytest.mark.parametrize("name", ["base_url", "token_url"])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "not an http"),
        ("h", "not an http"),
        ("//h/x", "not an http"),
        ("https://", "not an http"),
        ("https:///x", "not an http"),
        ("ftp://h/", "not an http"),
        ("file:///etc/passwd", "not an http"),
        ("https://user@h", "user name or password"),
        ("https://user:word@h", "user name or password"),
        ("https://:word@h", "user name or password"),
        ("http://localhost:9@h/", "user name or password"),
        ("http://h", "in the clear"),
        ("http://10.0.0.1", "in the clear"),
        ("http://0.0.0.0", "in the clear"),
        ("http://localhost.evil.example", "in the clear"),
        ("http://127.0.0.1.evil.example", "in the clear"),
        ("http://[::2]", "in the clear"),
    ],
)
def test_addresses_that_are_refused(name, url, told) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        made(**{name: url})
    assert name in str(caught.value)
    assert "word@" not in str(caught.value)


def test_http_to_another_host_can_be_allowed() -> None:
    assert made(base_url="http://gateway/x", allow_insecure_http=True).base_url == "http://gateway/x"


@pytest.mark.parametrize(
    "url",
    [
        "https://[bad",
        "https://h:99999",
        "https://h:x",
        "https://h/a b",
        "https://h/\n",
        "https://h/?a=b",
        "https://h/#a",
    ],
)
def test_an_address_that_cannot_work_is_refused(url) -> None:
    with pytest.raises(ConfigurationError):
        made(base_url=url)


def test_a_password_in_a_mistyped_address_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        made(base_url="htps://user:pass-word@h")
    assert "pass-word" not in str(caught.value)


@pytest.mark.parametrize("name", ["seller_id", "sales_channel_id"])
@pytest.mark.parametrize("value", ["", " ", "1 2", "1\r\nX-Evil: 1", "1\n", "1\x00", "é", "\u0661", "1\t"])
def test_nothing_but_plain_text_goes_into_a_header(name, value) -> None:
    with pytest.raises(ConfigurationError, match=name):
        made(**{name: value})


@pytest.mark.parametrize("value", ["", "1\r\nX-Evil: 1", "é"])
def test_the_same_for_another_seller(value) -> None:
    client = FulfillmentClient(made())
    with pytest.raises(ConfigurationError, match="seller_id"):
        client.seller(value)
    assert client.seller("98980").seller_id == "98980"


@pytest.mark.parametrize("name", ["client_id", "client_secret", "seller_id"])
def test_what_is_required_cannot_be_empty(name) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is empty"):
        made(**{name: ""})


NUMBERS = ["deadline", "bulk_deadline", "connect_timeout", "read_timeout", "max_attempts", "max_in_flight"]
NUMBERS += ["max_connections", "keepalive", "max_answer_bytes"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [0, -1, -0.5, math.nan, -math.inf])
def test_numbers_that_cannot_work(name, value) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be above zero"):
        made(**{name: value})


@pytest.mark.parametrize(
    "change",
    [
        {"backoff_base": -1.0},
        {"backoff_cap": -1.0},
        {"backoff_base": math.nan},
        {"max_retry_after": math.nan},
        {"limit_jitter": -1.0},
        {"retry_budget": -1},
        {"max_in_flight": 0.5},
        {"limit": 5},
        {"limits": {"stocks": 5}},
    ],
    ids=str,
)
def test_other_numbers_that_cannot_work(change) -> None:
    with pytest.raises(ConfigurationError):
        made(**change)


@pytest.mark.parametrize(
    "limit",
    [
        {"calls": 0},
        {"calls": -1},
        {"calls": 1, "per": 0},
        {"calls": 1, "per": -1},
        {"calls": 1, "per": math.nan},
        {"calls": 1, "burst": 0},
        *(pytest.param(limit) for limit in ({"calls": math.nan}, {"calls": 1, "per": math.inf})),
    ],
    ids=str,
)
def test_what_is_not_a_limit(limit) -> None:
    with pytest.raises(ConfigurationError, match="not a limit"):
        Limit(**limit)


@pytest.mark.parametrize("key", [Group.STOCKS, "stocks"])
def test_limits_by_group(key) -> None:
    config = made(limit=Limit(3), limits={key: Limit(9, per=2.0), "products": None})
    assert config.limit_for(Group.STOCKS) == Limit(9, per=2.0)
    assert config.limit_for(Group.OUTBOUND) == Limit(3)
    assert config.limit_for(Group.PRODUCTS) is None


def test_a_limit_of_no_group_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no group 'stock'"):
        made(limits={"stock": Limit(1)})


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "{!s}".format, "%s".__mod__, "%r".__mod__])
def test_a_secret_never_shows_itself(show) -> None:
    config = made()
    for thing in (config, config.secret, config.client_secret, [config], {"x": config.secret}):
        assert TEXT not in show((thing,) if show in ("%s".__mod__, "%r".__mod__) else thing)
    assert TEXT not in show([dataclasses.asdict(config)])
    assert TEXT not in show([FulfillmentClient(config)])


def test_secrets_compare_and_are_not_wrapped_twice() -> None:
    assert Secret(Secret(TEXT)).reveal() == TEXT
    assert Secret(TEXT) == Secret(TEXT)
    assert len({Secret(TEXT), Secret(TEXT)}) == 1
    assert Secret(TEXT) != Secret("x")
    assert Secret(TEXT) != TEXT


def test_a_config_can_be_copied_pickled_and_changed() -> None:
    config = made(limits={"stocks": Limit(9)})
    for same in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):  # noqa: S301
        assert same == config
        assert same.secret.reveal() == TEXT
    changed = config.with_(deadline=5.0)
    assert (changed.deadline, changed.secret, changed.limit_for(Group.STOCKS)) == (5.0, Secret(TEXT), Limit(9))
    with pytest.raises(ConfigurationError):
        config.with_(deadline=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.deadline = 1.0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_settings_are_read_as_windows_writes_them(encoding: str, line_end: str, tmp_path) -> None:
    text = 'client_id = "a"\nclient_secret = "gehe\u00edm"\nseller_id = "1"\n# \u20ac\n'
    (tmp_path / "o.toml").write_bytes(text.replace("\n", line_end).encode(encoding))
    settings = Config.from_file(tmp_path / "o.toml")
    assert (settings.client_id, settings.secret.reveal(), settings.seller_id) == ("a", "gehe\u00edm", "1")
