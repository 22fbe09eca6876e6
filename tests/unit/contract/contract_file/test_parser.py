"""A contract file is read as it was meant, or refused with line, name and the nearest right name."""

import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoffm_async.contract.contract_file import model as contract_file
from octoffm_async.contract.contract_file.model import ContractFile, FieldMapping, OperationMapping
from octoffm_async.contract.contract_file.parser import MAX_BYTES, parse_contract, read_contract
from octoffm_async.contract.contract_file.problems import ContractFileError
from octoffm_async.contract.contract_file.registry import ENUMS, REQUESTS, STRUCTS, fields_of


def problems(text: str) -> list[str]:
    with pytest.raises(ContractFileError) as caught:
        parse_contract(text)
    return list(caught.value.problems)


def documented_example() -> str:
    lines = (contract_file.__doc__ or "").splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


def test_documented_example_is_read_as_it_says() -> None:
    assert parse_contract(documented_example(), source="contract.toml") == ContractFile(
        fields={
            "OutboundShipmentRequest": {
                "delivery_address": FieldMapping(path=("shippingAddress",)),
                "delivery_mode": FieldMapping(path=("shipping", "mode")),
            },
            "FulfillmentProduct": {"packaging": FieldMapping(path=())},
            "Packaging": {"weight_g": FieldMapping(path=("packagedWeight",), scale=0.001)},
        },
        values={"OutboundStatus": {"Refused": "Rejected"}},
        operations={
            "products.create": OperationMapping(wrap="products", path="/fulfillment-products"),
            "outbound.create": OperationMapping(identifier=("orderId",)),
            "outbound.list": OperationMapping(query={"status_updated_at_min": "updatedAtMin"}, items=("data",)),
        },
        extra={"OutboundShipmentRequest": {"salesChannel": "CDISFR"}},
        source="contract.toml",
    )


def test_each_place_of_a_result_is_read() -> None:
    text = """
        [operations]
        "outbound.get".result = "data.order"
        "outbound.create".id = "data.orderId"
        "outbound.create".body = "array"
        "returns.create".body = { wrap = "return", as = "object" }
        "outbound.count".count = "meta.total"
        "products.create".items = "results"
    """
    assert parse_contract(text).operations == {
        "outbound.get": OperationMapping(result=("data", "order")),
        "outbound.create": OperationMapping(identifier=("data", "orderId"), body="array"),
        "returns.create": OperationMapping(wrap="return", body="object"),
        "outbound.count": OperationMapping(count=("meta", "total")),
        "products.create": OperationMapping(items=("results",)),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "[fields]\n",
        '[fields.Parcel]\nlines = "content"\nparcel_id = "lines"\n',  # two names that are swapped
        '[values.OutboundStatus]\nRefused = "Cancelled"\nCancelled = "Refused"\n',
        "[fields.Packaging]\nlength_cm = { scale = 10 }\n",
        '[fields.OutboundShipmentRequest]\ndelivery_mode = "shipping.mode"\nstorage_country = "shipping.from"\n',
        '[operations."outbound.get"]\npath = "/v3/orders/{outboundShipmentId}"\n',
    ],
)
def test_what_can_be_right_is_taken(text: str) -> None:
    parse_contract(text)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[feilds.Stock]\n", 1, ["'feilds'", "fields?"]),
        ("fields = 3\n", 1, ["fields", "not a table"]),
        ('[fields]\nStock = "x"\n', 2, ["fields.Stock", "not a table"]),
        ('\n[fields.OutboundShipmentReqest]\na = "b"\n', 2, ["OutboundShipmentReqest", "OutboundShipmentRequest?"]),
        ('[fields.Packaging]\n\nweigth_g = "w"\n', 3, ["Packaging", "'weigth_g'", "weight_g?"]),
        ('[fields.Packaging]\nweight = "w"\n', 2, ["Packaging", "'weight'", "weight_g?"]),
        ('[fields.Packaging]\nweight_g = { name = "w", scael = 2 }\n', 2, ["Packaging.weight_g", "'scael'"]),
        ('[fields.Packaging]\nweight_g = { name = "w", scale = 0 }\n', 2, ["Packaging.weight_g", "greater than 0"]),
        ("[fields.Packaging]\nweight_g = { scale = -0.001 }\n", 2, ["Packaging.weight_g", "greater than 0"]),
        ("[fields.Packaging]\nweight_g = { scale = inf }\n", 2, ["Packaging.weight_g", "greater than 0"]),
        ("[fields.Packaging]\nweight_g = { scale = nan }\n", 2, ["Packaging.weight_g", "greater than 0"]),
        ("[fields.Packaging]\nweight_g = { scale = 1e-320 }\n", 2, ["Packaging.weight_g", "greater than 0"]),
        ("[fields.Packaging]\nweight_g = { scale = true }\n", 2, ["Packaging.weight_g", "not a number"]),
        ('[fields.Packaging]\nweight_g = { scale = "2" }\n', 2, ["Packaging.weight_g", "not a number"]),
        ("[fields.FulfillmentProduct]\ntitle = { scale = 2 }\n", 2, ["FulfillmentProduct.title", "not a number"]),
        ("[fields.FulfillmentProduct]\npackaging = { scale = 2 }\n", 2, ["packaging", "not a number"]),
        ('[fields.Parcel]\ncarrier = ""\n', 2, ["Parcel.carrier", "empty"]),
        ("[fields.Parcel]\ncarrier = 5\n", 2, ["Parcel.carrier", "not a text"]),
        ('[fields.Parcel]\ncarrier = "a..b"\n', 2, ["Parcel.carrier", "empty part"]),
        ('[fields.Parcel]\ncarrier = "a\\u0007"\n', 2, ["Parcel.carrier", "printed"]),
        ('[fields.Parcel]\ncarrier = "a.b.c.d.e.f.g.h.i"\n', 2, ["Parcel.carrier", "more than 8"]),
        ('[fields.Parcel]\nlines = "."\n', 2, ["Parcel.lines", "not a single object"]),
        ('[fields.Parcel]\ncarrier = "."\n', 2, ["Parcel.carrier", "not a single object"]),
        ('[fields.Parcel]\ncarrier = "x"\nlines = "X"\n', 3, ["Parcel.carrier", "Parcel.lines", "one name"]),
        ('[fields.Parcel]\nlines = "Tracking-Number"\n', 2, ["Parcel.lines", "Parcel.tracking_number"]),
        ('[fields.Parcel]\ncarrier = "lines.carrier"\n', 2, ["Parcel.carrier", "Parcel.lines"]),
        (
            '[fields.FulfillmentProduct]\ntitle = "length"\npackaging = "."\n',
            3,
            ["FulfillmentProduct.title", "Packaging.length_cm"],
        ),
        (
            '[fields]\n[fields.OutboundShipment]\nrefusal = "."\ncreated_at = "code"\n',
            3,
            ["Refusal.code", "created_at"],
        ),
        ('[values.OutboundStatsu]\nRefused = "x"\n', 1, ["OutboundStatsu", "OutboundStatus?"]),
        ('[values.OutboundStatus]\nrefused = "x"\n', 2, ["OutboundStatus", "'refused'", "Refused?"]),
        ("[values.OutboundStatus]\nRefused = 3\n", 2, ["OutboundStatus.Refused", "not a text"]),
        ('[values.OutboundStatus]\nRefused = ""\n', 2, ["OutboundStatus.Refused"]),
        ('[values.OutboundStatus]\nRefused = "shipped"\n', 2, ["Refused", "Shipped", "one spelling"]),
        ('[values.OutboundStatus]\nRefused = "X"\nCancelled = "x"\n', 3, ["Refused", "Cancelled", "one spelling"]),
        ('[operations."outbound.lits"]\nitems = "x"\n', 1, ["outbound.lits", "outbound.list?"]),
        ('[operations."outbound.list"]\nitem = "x"\n', 2, ["outbound.list", "'item'"]),
        ('[operations."outbound.list"]\nitems = ""\n', 2, ["items of outbound.list", "empty"]),
        ('[operations."outbound.list"]\nid = "x"\n', 2, ["outbound.list", "id has no meaning"]),
        ('[operations."outbound.create"]\nitems = "x"\n', 2, ["outbound.create", "items has no meaning"]),
        ('[operations."outbound.list"]\nbody = "object"\n', 2, ["outbound.list", "no body"]),
        ('[operations."outbound.create"]\nbody = "list"\n', 2, ["outbound.create", '"array"']),
        ('[operations."outbound.create"]\nbody = { wrap = "" }\n', 2, ["wrap of outbound.create"]),
        ('[operations."outbound.create"]\nbody = { wrap = "a.b" }\n', 2, ["wrap of outbound.create"]),
        ('[operations."outbound.create"]\nbody = {}\n', 2, ["outbound.create", "wrap"]),
        ('[operations."outbound.list"]\nquery = { states = "x" }\n', 2, ["'states'", "state?"]),
        ('[operations."outbound.list"]\nquery = { state = "" }\n', 2, ["parameter of state"]),
        ('[operations."outbound.list"]\nquery = "x"\n', 2, ["query of outbound.list", "not a table"]),
        ('[operations."outbound.list"]\nquery = { state = "Cursor" }\n', 2, ["outbound.list", "state", "cursor"]),
        ('[operations."outbound.get"]\nquery = { state = "x" }\n', 2, ["outbound.get has no filters"]),
        ('[operations."outbound.list"]\npath = "outbound"\n', 2, ["outbound.list", "start with /"]),
        ('[operations."outbound.list"]\npath = "/a?b=c"\n', 2, ["outbound.list", "plain path"]),
        ('[operations."outbound.list"]\npath = "/a/../b"\n', 2, ["outbound.list", "plain path"]),
        ('[operations."outbound.list"]\npath = "//host/b"\n', 2, ["outbound.list", "plain path"]),
        ('[operations."outbound.get"]\npath = "/orders"\n', 2, ["outbound.get", "{outboundShipmentId}"]),
        ('[operations."outbound.get"]\npath = "/orders/{id}"\n', 2, ["outbound.get", "{outboundShipmentId}"]),
        ('[operations."outbound.list"]\npath = "/orders/{id}"\n', 2, ["outbound.list", "no placeholder"]),
        ('[operations."outbound.get"]\npath = "/o/{outboundShipmentId}/{"\n', 2, ["{outboundShipmentId}"]),
        ('[operations."outbound.list"]\npath = "/Returns"\n', 2, ["outbound.list", "returns.list", "one call"]),
        ("[extra.Stock]\na = 1\n", 1, ["Stock is not sent"]),
        ("[extra.Ordr]\na = 1\n", 1, ["'Ordr'"]),
        ("[extra.ReturnRequest]\nRea-son = 1\n", 2, ["extra.ReturnRequest.Rea-son", "ReturnRequest.reason"]),
        ("[extra.ReturnRequest]\nwhen = [{ at = 2024-01-01 }]\n", 2, ["extra.ReturnRequest.when", "time"]),
        ("[extra.ReturnRequest]\nn = nan\n", 2, ["extra.ReturnRequest.n", "finite"]),
        ('[extra.ReturnRequest]\n"" = 1\n', 2, ["extra.ReturnRequest"]),
        (
            '[fields.FulfillmentProduct]\npackaging = "."\n[extra.Packaging]\nTitle = "x"\n',
            4,
            ["extra.Packaging.Title", "FulfillmentProduct.title"],
        ),
    ],
)
def test_a_mistake_is_reported_with_line_name_and_cure(text: str, line: int, words: list[str]) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"line {line}: ")
    for word in words:
        assert word in problem


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file() -> None:
    messages = problems('[fields.Stock]\na = "x"\nid = ""\n[values.Nothing]\nx = "y"\n[extra.Stock]\nb = 1\n')
    assert [one.partition(":")[0] for one in messages] == ["line 2", "line 3", "line 4", "line 6"]


def test_of_many_mistakes_the_first_twenty_are_reported() -> None:
    messages = problems("[fields.Stock]\n" + "".join(f'x{number} = "y"\n' for number in range(50)))
    assert len(messages) == 21
    assert "30 more" in messages[-1]


def test_a_collision_in_a_struct_that_is_spread_twice_is_reported_once() -> None:
    assert len(problems('[fields.Packaging]\nlength_cm = "width"\n[fields.FulfillmentProduct]\npackaging = "."\n')) == 1


@pytest.mark.parametrize("value", ["[" * 5000, "1" * 6000, "{a" * 5000])
def test_a_value_that_cannot_be_toml_is_refused(value: str) -> None:
    assert len(problems(f"x = {value}\n")) == 1


def test_what_is_no_toml_is_reported_with_its_line() -> None:
    (problem,) = problems("[fields.Stock]\n\nid = \n")
    assert problem.startswith("it is not TOML: ")
    assert re.search(r"\b3\b", problem)


def test_a_line_in_a_text_of_several_lines_is_not_taken_for_a_key() -> None:
    (problem,) = problems('[extra.ReturnRequest]\nnote = """\nReason = 1\n"""\n\nReason = 2\n')
    assert problem.startswith("line 6: ")


def test_a_file_is_read_with_a_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "contract.toml"
    path.write_bytes('\ufeff[fields.Stock]\r\ngtin = "ean"\r\n'.encode())
    contract = read_contract(path)
    assert contract.fields == {"Stock": {"gtin": FieldMapping(path=("ean",))}}
    assert contract.source == str(path)


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"[fields.Stock]\n\xff", "line 2"), (b"#" * (MAX_BYTES + 1), "1 MiB"), (None, "contract.toml")],
)
def test_a_file_that_cannot_be_read_is_reported_with_its_name(tmp_path: Path, content: bytes | None, word: str) -> None:
    path = tmp_path / "contract.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ContractFileError) as caught:
        read_contract(path)
    assert word in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_text_that_is_too_large_is_refused() -> None:
    assert "1 MiB" in problems("#" * (MAX_BYTES + 1))[0]


def test_many_extra_names_are_compared_in_time() -> None:
    text = "[extra.ReturnRequest]\n" + "".join(f"x{number} = 1\n" for number in range(60_000))
    assert len(parse_contract(text).extra["ReturnRequest"]) == 60_000


def test_the_error_can_be_pickled() -> None:
    error = ContractFileError("contract.toml", [f"mistake {number}" for number in range(30)])
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(again) == str(error)
    assert again.problems == error.problems


def test_no_value_of_a_file_is_reported() -> None:
    (problem,) = problems('[extra.ReturnRequest]\nreason = "customer@example.com"\n')
    assert "customer" not in problem


def test_structs_and_enums_of_the_contract_are_known() -> None:
    assert {"Stock", "Quantities", "Localization", "ShippedTo", "Parcel", "ReturnLine", "DocumentAnswer"} <= set(
        STRUCTS
    )
    assert not {"Page", "ProductResults", "TokenRequest", "OutboundFilters", "Document"} & set(STRUCTS)
    assert {"Packaging", "ShipmentLine", "DeliveryAddress", "OutboundCancellationRequest"} <= set(REQUESTS)
    assert not {"Stock", "Refusal"} & set(REQUESTS)
    assert {"OutboundStatus", "SortOrder", "QuantityType"} <= set(ENUMS)


EACH_FIELD = st.sampled_from([(name, field) for name, struct in STRUCTS.items() for field in fields_of(struct)])


@given(EACH_FIELD)
def test_every_field_can_have_another_name(place: tuple[str, str]) -> None:
    struct, field = place
    text = f'[fields.{struct}]\n{field} = "entirely.different"\n'
    assert parse_contract(text).fields == {struct: {field: FieldMapping(path=("entirely", "different"))}}


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_contract(text)
    except ContractFileError as error:
        assert error.problems  # noqa: PT017
