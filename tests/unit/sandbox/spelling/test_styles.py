"""The forms of answers as settings: of the sandbox, of its process and on the command line."""

from typing import Any

import aiohttp
import pytest

from octoffm_async.sandbox import ResponseStyle, Sandbox, SandboxProcess, SandboxThread
from octoffm_async.sandbox.__main__ import main
from octoffm_async.sandbox.settings import StyleOptions, style_values
from octoffm_async.sandbox.spelling.styles import parse_styles, style_table, style_texts

from ..api import product
from ..conftest import Serve
from ..test_process import Remote

ALL = [(name, value) for name, values in style_values().items() for value in values]


def test_every_field_is_a_keyword_argument() -> None:
    assert list(StyleOptions.__annotations__) == list(ResponseStyle.__dataclass_fields__)


def test_the_first_of_each_form_is_the_usual_one() -> None:
    assert parse_styles([]) == {}
    assert ResponseStyle() == ResponseStyle(**{name: values[0] for name, values in style_values().items()})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value"), ALL)
def test_every_form_can_be_named_on_the_command_line(name: str, value: str) -> None:
    options: Any = {name: value}
    (text,) = style_texts(options)
    short = text.partition("=")[0]
    assert parse_styles([text]) == parse_styles([f"{short}={value.upper()}"]) == options
    assert any(line.split()[0] == short and value in line for line in style_table().splitlines())


def test_many_make_one_style() -> None:
    assert parse_styles(["count=object", "names = Pascal", "empty=204"]) == {
        "count_form": "count",
        "names": "pascal",
        "empty": "204",
    }


@pytest.mark.parametrize(
    ("texts", "listed"),
    [
        (["nmes=pascal"], "names, numbers"),
        (["names"], "camel, pascal, snake"),
        (["names="], "camel, pascal, snake"),
        (["names=kebab"], "camel, pascal, snake"),
        (["count=list"], "count, integer, total_item_count, totalItemCount"),
        ([""], "list, links"),
        (["=pascal"], "list, links"),
        (["names=pascal", "names=snake"], "names is given more than once"),
    ],
)
def test_what_is_no_style_is_refused_with_those_there_are(texts: list[str], listed: str) -> None:
    with pytest.raises(ValueError, match=listed):
        parse_styles(texts)


@pytest.mark.parametrize("kind", [Sandbox, SandboxProcess, SandboxThread])
def test_a_wrong_form_is_refused_at_once(kind: Any) -> None:
    with pytest.raises(ValueError, match="names = 'kebab': must be one of camel, pascal, snake"):
        kind(names="kebab")
    with pytest.raises(TypeError, match="'nmes'"):
        kind(nmes="pascal")


@pytest.mark.parametrize(
    ("links", "prefix"), [("relative", "/seller/v2/stocks?"), ("base", "/stocks?"), ("absolute", "http://127.0.0.1")]
)
async def test_links_have_one_of_three_forms(serve: Serve, links: str, prefix: str) -> None:
    api = await serve(links=links)
    await api.register(product(1), product(2))
    answer = await api.get("/stocks", limit=1)
    assert answer.next is not None
    assert answer.next.startswith(prefix)
    assert len((await api.get(answer.next)).json["items"]) == 1


async def test_a_creation_may_answer_an_id_by_its_short_name(serve: Serve) -> None:
    api = await serve(creation_answer="id")
    body = {"reference": "R", "storageCountry": "FR", "lines": [{"sellerProductReference": "X", "quantity": 1}]}
    answer = await api.post("/inbound-shipments", body)
    assert list(answer.json) == ["id"]
    assert (await api.get(f"/inbound-shipments/{answer.json['id']}")).status == 200


async def test_a_process_has_styles_too() -> None:
    async with (
        SandboxProcess(speed=0, names="pascal", count_form="integer", ids="integer") as sandbox,
        aiohttp.ClientSession() as http,
    ):
        remote = Remote(sandbox, http)
        assert await remote.call("GET", "/returns/count") == (200, 0)
        assert await remote.call("GET", "/sellers") == (200, {"Items": [{"SellerId": 12345}, {"SellerId": 98980}]})


def test_a_wrong_style_is_a_wrong_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--style", "names=kebab"])
    assert ended.value.code == 2
    assert "camel, pascal, snake" in capsys.readouterr().err


def test_the_table_fits_a_terminal_under_the_indent_of_a_help_text() -> None:
    assert max(map(len, style_table().splitlines())) <= 78
