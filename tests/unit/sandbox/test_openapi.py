"""The sandbox describes itself: without a token, without limits, and not counted."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from octoffm_async.cli.contract.contract import contract as contract_command
from octoffm_async.contract.openapi.comparison import compare
from octoffm_async.contract.openapi.description import describe
from octoffm_async.contract.openapi.export import openapi_document
from octoffm_async.contract.operations import OPERATIONS
from octoffm_async.sandbox import Fault, Sandbox, SandboxThread
from octoffm_async.sandbox.control.verbs import CONTROL_ROUTES, ControlBody, ScriptedFault

from .api import Api, product


def bodies() -> list[type[ControlBody]]:
    return [ScriptedFault, *(verb.body for verb in CONTROL_ROUTES if verb.body is not None)]


async def served(api: Api) -> Any:
    return (await api.with_headers().get(api.sandbox.page_url + "openapi.json")).json


async def test_it_serves_the_contract_with_its_own_addresses(api: Api) -> None:
    sandbox = api.sandbox
    counted = len(sandbox.arrivals)
    answer = await api.with_headers().call("GET", sandbox.base_url.removesuffix("/seller/v2") + "/openapi.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    contract = openapi_document(server=sandbox.base_url, token_url=sandbox.token_url)
    assert {**answer.json, "tags": [], "paths": {}, "components": {}} == {
        **contract,
        "tags": [],
        "paths": {},
        "components": {},
    }
    for whole, part in ((answer.json, contract), (answer.json["components"], contract["components"])):
        for name in ("paths", "securitySchemes", "schemas"):
            assert part.get(name, {}).items() <= whole.get(name, {}).items()
    assert compare(describe(openapi_document()), describe(answer.json)) == []
    assert len(sandbox.arrivals) == counted


async def test_the_control_routes_are_in_it_and_set_apart(api: Api) -> None:
    document = await served(api)
    contract = openapi_document()
    own = {path: item for path, item in document["paths"].items() if path not in contract["paths"]}
    assert list(own) == [verb.route for verb in CONTROL_ROUTES]
    for verb in CONTROL_ROUTES:
        item = own[verb.route]
        operation = item[verb.method.lower()]
        assert item["servers"] == [{"url": api.sandbox.page_url.rstrip("/")}]
        assert (operation["tags"], operation["security"]) == (["sandbox control"], [])
        assert ("requestBody" in operation) == (verb.method == "POST")
    assert {"name": "sandbox control"}.items() <= document["tags"][-1].items()
    assert not set(contract["components"]["schemas"]) & {kind.__name__ for kind in bodies()}
    assert "_sandbox" not in json.dumps(contract)


async def test_the_bodies_of_control_routes_are_described_as_they_are_taken(api: Api) -> None:
    await api.register(product(1))
    document = await served(api)
    schemas = document["components"]["schemas"]
    for verb in (verb for verb in CONTROL_ROUTES if verb.example):
        content = document["paths"][verb.route]["post"]["requestBody"]["content"]["application/json"]
        schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
        assert content["example"].keys() <= schema["properties"].keys()
        assert set(schema.get("required", ())) <= content["example"].keys()
        assert schema["additionalProperties"] is False
    assert schemas["ScriptedFault"]["properties"]["fault"]["enum"] == list(Fault.__members__)


def test_contract_check_takes_it_for_the_contract_and_export_leaves_them_out(tmp_path: Path) -> None:
    file = tmp_path / "served.json"
    with SandboxThread() as sandbox, urllib.request.urlopen(sandbox.page_url + "openapi.json", timeout=5) as answer:  # noqa: S310
        file.write_bytes(answer.read())
    assert "/_sandbox/stock" in file.read_text()
    result = CliRunner().invoke(contract_command, ["check", str(file)], standalone_mode=False)
    assert (result.return_value, result.output) == (0, f"equal: {len(OPERATIONS)} operations and no difference\n")
    assert "_sandbox" not in CliRunner().invoke(contract_command, ["export"]).output


async def test_limits_and_other_methods_do_not_reach_it(api: Api) -> None:
    url = api.sandbox.base_url.removesuffix("/seller/v2") + "/openapi.json"
    api.sandbox.faults.set_rates({})
    assert [(await api.call("GET", url)).status for _ in range(3)] == [200] * 3
    assert (await api.call("POST", url)).status == 404


async def test_the_text_null_is_no_time(api: Api) -> None:
    for name in ("statusUpdatedAtMin", "statusUpdatedAtMax"):
        for text in ("null", "1700000000", "now"):
            answer = await api.get("/outbound-shipments", **{name: text})
            assert answer.is_problem(400)
            assert list(answer.json["errors"]) == [name]
    for limit in ("null", "1.0", "x", " ", "0", "-1", "1001", "9" * 30):
        answer = await api.get("/outbound-shipments", limit=limit)
        assert answer.is_problem(400)
        assert list(answer.json["errors"]) == ["limit"]
    assert isinstance(api.sandbox, Sandbox)
