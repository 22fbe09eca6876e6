"""``octoffm contract adopt`` makes a file that the checks and clients take, or says in one line why it cannot."""

import json
from functools import cache

import pytest
import yaml

from octoffm_async.cli import app
from octoffm_async.cli.contract.yaml_reader import json_text, yaml_text
from octoffm_async.contract.contract_file.parser import parse_contract, read_contract
from octoffm_async.contract.openapi.export import openapi_document
from octoffm_async.contract.operations import OPERATIONS

from ....support.dialects import B, C, openapi

DOCUMENTS = {dialect.name: openapi(dialect) for dialect in (B, C)}


@cache
def in_yaml() -> str:
    return yaml_text(DOCUMENTS["B"])


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs ``octoffm contract …`` in a folder with the documents: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.yaml").write_text(in_yaml(), encoding="utf-8")
    (tmp_path / "c.json").write_text(json_text(DOCUMENTS["C"]), encoding="utf-8")

    def run_it(*arguments):
        code = app.run(["contract", *arguments])
        return (code, *capsys.readouterr())

    return run_it


def test_a_complete_file_is_written_and_makes_it_0(command, tmp_path):
    code, output, errors = command("adopt", "b.yaml", "-o", "contract.toml")
    assert (code, output) == (0, "")
    assert errors.splitlines()[-1].startswith(f"{len(OPERATIONS)} of {len(OPERATIONS)} operations found, ")
    assert read_contract(tmp_path / "contract.toml").values["OutboundStatus"]["Refused"] == "REJECTED"


def test_what_is_open_is_listed_with_where_to_set_it_and_makes_it_1(command):
    code, output, errors = command("adopt", "c.json")
    assert code == 1
    assert parse_contract(output).fields["Packaging"]["weight_g"].scale == 0.001
    printed = [line for line in errors.splitlines() if line.startswith(("open: ", "      "))]
    assert printed == [
        "open: InboundShipmentRequest.warehouseCode: they require it (string) and no field of ours fills it",
        '      to decide it: [extra.InboundShipmentRequest] warehouseCode = ""',
    ]


def test_the_list_as_json(command, tmp_path):
    code, output, errors = command("adopt", "c.json", "--json")
    found = json.loads(output)
    assert (code, errors) == (1, "")
    assert (found["complete"], found["operations"], found["missing"]) == (False, len(OPERATIONS), [])
    assert found["open"] == [
        {
            "section": "extra.InboundShipmentRequest",
            "name": "warehouseCode",
            "problem": "they require it (string) and no field of ours fills it",
            "candidates": [],
            "cure": 'warehouseCode = ""',
        }
    ]
    assert {"section": "fields.Parcel", "name": "carrier", "why": "who carries a parcel"} in found["synonyms"]
    parse_contract(found["contract"])
    code, output, _ = command("adopt", "c.json", "--json", "-o", "contract.toml")
    assert json.loads(output) == {
        **{name: value for name, value in found.items() if name != "contract"},
        "file": "contract.toml",
    }
    assert (tmp_path / "contract.toml").read_text(encoding="utf-8") == found["contract"]


def test_a_file_that_exists_is_overwritten_only_by_force(command, tmp_path):
    (tmp_path / "contract.toml").write_text("mine", encoding="utf-8")
    code, output, errors = command("adopt", "b.yaml", "-o", "contract.toml")
    assert (code, output) == (2, "")
    assert errors == "octoffm: contract.toml exists; --force overwrites it\n"
    assert (tmp_path / "contract.toml").read_text(encoding="utf-8") == "mine"
    assert command("adopt", "b.yaml", "-o", "contract.toml", "--force")[0] == 0
    assert (tmp_path / "contract.toml").read_text(encoding="utf-8") != "mine"


def test_our_own_export_is_complete_and_says_nothing(command, tmp_path):
    command("export", "-o", "ours.yaml")
    assert command("adopt", "ours.yaml", "-o", "contract.toml") == (
        0,
        "",
        f"{len(OPERATIONS)} of {len(OPERATIONS)} operations found, 0 names taken by a synonym, 0 things open\n",
    )
    active = [line for line in (tmp_path / "contract.toml").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert not any(active)
    printed = (0, f"equal: {len(OPERATIONS)} operations and no difference\n", "")
    assert command("check", "ours.yaml", "--contract", "contract.toml") == printed


BILLION = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
OTHER = {"openapi": "3.0.0", "paths": {"/pets": {"get": {"responses": {}}}}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("<!DOCTYPE html><html><body>Not found</body></html>", "it is HTML or XML"),
        ("<?xml version='1.0'?><a/>", "it is HTML or XML"),
        (json.dumps(openapi_document())[:-500], "it is neither JSON nor YAML"),
        (BILLION, "its aliases stand for more than"),
        (json.dumps(OTHER), "it describes another API"),
        (json.dumps({"openapi": "3.0.0", "paths": {}}), "it describes another API"),
        ("", "it is empty"),
        ("hello", "it is a text, not an OpenAPI document"),
        ("swagger: '2.0'", "it is Swagger 2.0"),
        ({**DOCUMENTS["B"], "components": {}}, "it is cut off: "),
        ({"openapi": "3.1.0", "paths": DOCUMENTS["B"]["paths"]}, "it is cut off: "),
    ],
)
def test_what_cannot_be_used_is_one_line_and_2(command, tmp_path, content, reason):
    (tmp_path / "theirs").write_text(content if isinstance(content, str) else yaml_text(content), encoding="utf-8")
    code, output, errors = command("adopt", "theirs", "-o", "contract.toml")
    assert (code, output) == (2, "")
    assert errors.startswith(f"octoffm: cannot use theirs: {reason}")
    assert errors.count("\n") == 1
    assert not (tmp_path / "contract.toml").exists()


def test_a_file_that_is_not_there_is_one_line_and_2(command):
    code, output, errors = command("adopt", "nothing.yaml")
    assert (code, output, errors.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.7, 0.85])
def test_a_yaml_file_that_is_cut_off_is_never_complete(command, tmp_path, part):
    text = (tmp_path / "b.yaml").read_text(encoding="utf-8")
    (tmp_path / "cut").write_text(text[: text.rindex("\n", 0, int(len(text) * part))], encoding="utf-8")
    assert command("adopt", "cut")[0] in {1, 2}


def test_what_is_left_after_a_contract_file_is_reported(command):
    before, printed, _ = command("check", "c.json", "--json")
    names = {"field-absent", "parameter-absent", "parameter-unknown", "operation-absent"}
    assert before == 1
    assert {one["kind"] for one in json.loads(printed)["differences"]} & names
    command("adopt", "c.json", "-o", "contract.toml")
    code, printed, errors = command("check", "c.json", "--contract", "contract.toml", "--json")
    left = json.loads(printed)["differences"]
    assert (code, errors) == (1, "")
    assert not {one["kind"] for one in left} & names
    assert [one["place"] for one in left if one["kind"] == "field-unknown" and not one["harmless"]] == [
        "request.warehouseCode"
    ]


def test_a_contract_file_that_is_wrong_is_refused_with_its_line(command, tmp_path):
    (tmp_path / "contract.toml").write_text('[fields.Stok]\nid = "x"\n', encoding="utf-8")
    code, output, errors = command("check", "b.yaml", "--contract", "contract.toml")
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert "contract.toml" in errors
    assert "line 1" in errors
    assert "Stock" in errors


def test_a_document_in_yaml_and_in_json_gives_the_same(command, tmp_path):
    (tmp_path / "b.json").write_text(json.dumps(yaml.safe_load((tmp_path / "b.yaml").read_text())), encoding="utf-8")
    assert command("adopt", "b.json") == command("adopt", "b.yaml")
