import json
import string

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from octoffm_async import Config, FulfillmentClient, __version__
from octoffm_async.cli import app
from octoffm_async.cli.contract.contract import contract
from octoffm_async.cli.contract.yaml_reader import json_text, yaml_text
from octoffm_async.contract.openapi.export import openapi_document
from octoffm_async.contract.operations import OPERATIONS

CHANGED = openapi_document()
CHANGED["paths"]["/outbound-shipments/{id}/events"] = {"get": {}}
CHANGED["components"]["schemas"]["OutboundShipmentRequest"]["properties"]["reference"]["maxLength"] = 30
REPORTS = """\
outbound.create  POST /outbound-shipments
  ! A  maxLength of request.reference is 50 in our contract and 30 in theirs.
GET /outbound-shipments/{id}/events
    -  They have GET /outbound-shipments/{id}/events; we do not.
2 differences, 1 of them can do harm (!)
"""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs ``octoffm contract …`` in this process: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run_it(*arguments):
        code = app.run(["contract", *arguments])
        return (code, *capsys.readouterr())

    return run_it


def run(*arguments):
    return CliRunner().invoke(contract, [str(one) for one in arguments], standalone_mode=False)


@pytest.mark.parametrize("style", [[], ["--yaml"]])
def test_an_export_is_equal(command, tmp_path, style):
    code, written, errors = command("export", *style)
    assert (code, errors) == (0, "")
    (tmp_path / "export").write_text(written, encoding="utf-8")
    assert command("export", *style, "-o", "same") == (0, "", "")
    assert (tmp_path / "same").read_text(encoding="utf-8") == written
    document = yaml.safe_load(written) if style else json.loads(written)
    assert document == openapi_document(version=__version__)
    assert command("check", "export") == (0, f"equal: {len(OPERATIONS)} operations and no difference\n", "")


def test_differences_are_reported_and_make_it_1(octoffm, tmp_path):
    (tmp_path / "theirs").write_text(yaml_text(CHANGED), encoding="utf-8")
    done = octoffm("contract", "check", "theirs")
    assert (done.returncode, done.stdout, done.stderr) == (1, REPORTS, "")


def test_differences_as_json(tmp_path):
    (tmp_path / "theirs").write_text(json_text(CHANGED), encoding="utf-8")
    done = run("check", tmp_path / "theirs", "--json")
    found = json.loads(done.output)
    assert done.return_value == 1
    assert (found["equal"], found["notes"]) == (False, [])
    assert [one["kind"] for one in found["differences"]] == ["limit", "operation-unknown"]
    assert found["differences"][0] == {
        "operation": "outbound.create",
        "place": "request.reference",
        "kind": "limit",
        "ours": {"maxLength": 50},
        "theirs": {"maxLength": 30},
        "tag": "A",
        "harmless": False,
        "sentence": "maxLength of request.reference is 50 in our contract and 30 in theirs.",
    }


def test_what_cannot_be_followed_is_noted_beside_the_result(command, tmp_path):
    document = openapi_document()
    document["components"]["schemas"]["Refusal"] = {"$ref": "common.yaml#/Refusal"}
    (tmp_path / "theirs").write_text(json_text(document), encoding="utf-8")
    code, output, errors = command("check", "theirs")
    assert (code, errors) == (1, "note: common.yaml#/Refusal is in another file, which is not read\n")
    assert "answer.refusal is object in our contract and not described in theirs." in output


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"- a\n", "it is a list, not an OpenAPI document"),
        (b"hello", "it is a text, not an OpenAPI document"),
        (b"~", "it is empty, not an OpenAPI document"),
        (b"a: \xff", "it is not UTF-8 (byte 3)"),
        (b"swagger: '2.0'\n", "it is Swagger 2.0; only OpenAPI 3.0 and 3.1 can be read"),
        (b'{"openapi": "3.0.0"', "it is neither JSON nor YAML: "),
        (b"openapi: 3.0.0\ninfo: {}\n", "it has no paths"),
        (b"<!DOCTYPE html><html><body>Not found: no</body></html>", "it is HTML or XML"),
        (b"a: &a [*a]", "the alias 'a' refers to nothing before it"),
    ],
)
def test_what_is_no_openapi_file_is_one_line_and_2(command, tmp_path, content, reason):
    (tmp_path / "theirs").write_bytes(content)
    code, output, errors = command("check", "theirs")
    assert (code, output) == (2, "")
    assert errors.startswith(f"octoffm: cannot read theirs: {reason}")
    assert errors.count("\n") == 1


def test_files_that_are_not_there_and_cannot_be_written(command):
    reason = "No such file or directory"
    assert command("check", "none") == (2, "", f"octoffm: cannot read none: {reason}\n")
    assert command("export", "-o", "no/such") == (2, "", f"octoffm: cannot write no/such: {reason}\n")


def test_a_file_cannot_write_to_the_terminal(tmp_path):
    document = openapi_document()
    document["paths"]["/returns/\x1b[2Jx\n"] = {"get": {}}
    document["paths"]["/returns/" + "y" * 5000] = {"get": {}}
    (tmp_path / "theirs").write_text(json_text(document), encoding="utf-8")
    output = run("check", tmp_path / "theirs").output
    assert set(output) <= set(string.printable) | {"\N{REPLACEMENT CHARACTER}", "…"}
    assert max(map(len, output.splitlines())) < 450


def test_the_operations_and_the_methods_that_call_them():
    lines = run("show").output.splitlines()
    assert lines[0].split() == ["method", "path", "tag", "group", "repeatability", "client"]
    assert len(lines) == 1 + len(OPERATIONS)
    assert lines[1].split() == [
        "POST",
        "/fulfillment-products",
        "D",
        "products",
        "verify",
        "client.products.create,",
        "client.products.add_reference",
    ]
    rows = json.loads(run("show", "--json").output)
    assert [(row["name"], row["method"], row["path"]) for row in rows] == [
        (one.name, one.method, one.path) for one in OPERATIONS
    ]


async def test_every_method_that_is_named_exists():
    client = FulfillmentClient(Config(client_id="a", client_secret="b", seller_id="1"))
    for row in json.loads(run("show", "--json").output):
        for name in row["client"]:
            _, resource, method = name.split(".")
            assert callable(getattr(getattr(client, resource), method)), name


def test_the_help_names_the_official_file():
    done = CliRunner().invoke(app.octoffm, ["contract", "check", "--help"])
    assert "https://developer.octopia-io.net/wp-json/octopia/v1/download/sellers" in "".join(done.output.split())


def large_document() -> dict:
    """Ours among 200 foreign operations, with one difference in each of three of ours."""
    document = msgspec.json.decode(msgspec.json.encode(openapi_document()))
    schemas = document["components"]["schemas"]
    for number in range(200):
        fields = {
            f"field{place}": {"type": "string", "nullable": True, "description": "What this field means. " * 3}
            for place in range(17)
        }
        schemas[f"Foreign{number}"] = {"type": "object", "properties": fields}
        reference = {"$ref": f"#/components/schemas/Foreign{number}"}
        document["paths"][f"/foreign{number}/{{id}}"] = {
            "get": {"responses": {"200": {"content": {"application/json": {"schema": reference}}}}}
        }
    schemas["ReturnRequest"]["required"].append("comment")
    schemas["DeliveryAddress"]["properties"]["city"]["maxLength"] = 40
    del document["paths"]["/returns/count"]
    return document


def test_ours_is_found_among_200_foreign_operations(tmp_path):
    file = tmp_path / "theirs.yaml"
    file.write_text(yaml_text(large_document()), encoding="utf-8")
    assert 600_000 < file.stat().st_size < 800_000
    found = json.loads(run("check", file, "--json").output)["differences"]
    assert [(one["operation"], one["kind"]) for one in found] == [
        ("outbound.create", "limit"),
        ("returns.count", "operation-absent"),
        ("returns.create", "required"),
    ]
