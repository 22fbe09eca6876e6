"""Documents: real PDFs, in each form in which they may be answered."""

import base64
import io
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pypdf import PdfReader

from octoffm_async.contract.inbound import InboundLine, InboundShipment
from octoffm_async.contract.outbound import ShippedTo
from octoffm_async.contract.returns import Return
from octoffm_async.sandbox import Fault
from octoffm_async.sandbox.handlers.documents import MAX_DOCUMENTS, delivery_note, return_label

from ..api import SECOND, Answer, Api, line, product
from ..conftest import Serve
from ..supplies import create, read

MADE = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
NOTE = InboundShipment(
    inbound_shipment_id="0a1b2c3d-0000-4000-a000-000000000001",
    reference="SUPPLY-1",
    code="IS-000042",
    storage_country="ES",
    expected_delivery_date=datetime(2026, 3, 1, tzinfo=UTC),
    lines=[InboundLine(seller_product_reference="REF-1", quantity=5, received_quantity=2)],
    created_at=MADE,
)
LABEL = Return(return_id="0a1b2c3d-0000-4000-a000-000000000002", reference="ORDER-1", created_at=MADE)
ADDRESS = ShippedTo(first_name="Ada", last_name="Lovelace", address_line1="1 rue de la Paix", city="Paris")


def pages(content: bytes) -> list[str]:
    """The text of each page, as an independent reader finds it."""
    assert content.startswith(b"%PDF-")
    return [page.extract_text() for page in PdfReader(io.BytesIO(content), strict=True).pages]


def test_a_delivery_note_says_what_was_announced() -> None:
    (page,) = pages(delivery_note(NOTE))
    for text in ("Delivery note", "IS-000042", "SUPPLY-1", "ES", "2026-03-01"):
        assert text in page
    assert page.splitlines()[-1].split() == ["1", "REF-1", "5"]


def test_a_note_of_a_thousand_lines_has_them_all_on_pages_with_a_head() -> None:
    lines = [InboundLine(seller_product_reference=f"REF-{number}", quantity=number) for number in range(1, 1001)]
    found = pages(delivery_note(replace(NOTE, lines=lines)))
    assert len(found) == 20
    assert all("Seller product reference" in page for page in found)
    rows = [row.split() for page in found for row in page.splitlines() if "REF-" in row]
    assert rows == [[str(number), f"REF-{number}", str(number)] for number in range(1, 1001)]


def test_a_label_says_which_return_it_is_and_where_it_goes() -> None:
    (page,) = pages(return_label(LABEL, ADDRESS))
    for text in (
        "Return label",
        LABEL.return_id,
        "ORDER-1",
        "From\nAda Lovelace\n1 rue de la Paix\nParis\nTo\nOctopia",
    ):
        assert text in page
    (page,) = pages(return_label(LABEL, None))
    assert "From\nTo\n" in page


def test_a_label_bears_its_id_as_bars() -> None:
    def bars(content: bytes) -> int:
        return content_of(content).count(b" re f")

    plain = bars(return_label(replace(LABEL, return_id="é"), None))
    assert plain == 0
    assert bars(return_label(replace(LABEL, return_id="AB-1"), None)) == 5 * (len("AB-1") + 2)


def content_of(pdf: bytes) -> bytes:
    contents = PdfReader(io.BytesIO(pdf)).pages[0].get_contents()
    assert contents is not None
    return contents.get_data()


def test_the_same_input_gives_the_same_bytes() -> None:
    assert delivery_note(NOTE) == delivery_note(NOTE) != delivery_note(replace(NOTE, code="IS-000043"))
    assert return_label(LABEL, ADDRESS) == return_label(LABEL, ADDRESS)
    undated = replace(NOTE, created_at=None, expected_delivery_date=None)
    assert delivery_note(undated) == delivery_note(undated)
    metadata = PdfReader(io.BytesIO(delivery_note(NOTE))).metadata
    assert metadata is not None
    assert (metadata.creation_date, metadata.title) == (MADE, "Delivery note IS-000042")


def test_a_note_does_not_change_when_goods_come_in() -> None:
    received = [InboundLine(seller_product_reference="REF-1", quantity=5, received_quantity=4, undelivered_quantity=1)]
    assert delivery_note(replace(NOTE, lines=received)) == delivery_note(NOTE)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_makes_a_pdf(text: str) -> None:
    lines = [InboundLine(seller_product_reference=text, quantity=1)]
    assert len(pages(delivery_note(replace(NOTE, reference=text, code=text, lines=lines)))) == 1
    label = return_label(replace(LABEL, return_id=text, reference=text), replace(ADDRESS, city=text))
    assert len(pages(label)) == 1


def test_letters_that_the_font_lacks_become_question_marks() -> None:
    (page,) = pages(delivery_note(replace(NOTE, reference="é-Ω\n日")))
    assert "Reference: é-? ?" in page


async def accepted(api: Api) -> str:
    """A supply order that has a delivery note."""
    await api.register(product(1))
    key = await create(api, lines=[line(quantity=3)])
    api.sandbox.clock.advance(2)
    return key


async def note(api: Api, key: str, **headers: str) -> Answer:
    return await api.call("GET", f"/inbound-shipments/{key}/delivery-notes", headers=headers)


def is_note(answer: Answer) -> bool:
    disposition = 'attachment; filename="delivery-note-IS-000001.pdf"'
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"] == disposition
    return "REF-1" in pages(answer.body)[0]


@pytest.mark.parametrize("accept", ["application/json", "application/pdf", "application/pdf, */*;q=0.1"])
async def test_a_note_comes_as_bytes(api: Api, accept: str) -> None:
    assert is_note(await note(api, await accepted(api), Accept=accept))


async def test_a_client_that_takes_neither_json_nor_pdf_is_406(api: Api) -> None:
    answer = await note(api, await accepted(api), Accept="text/html")
    assert answer.is_problem(406)
    assert answer.json["detail"] == "Only application/json or application/pdf can be answered."


async def test_a_note_comes_as_base64(serve: Serve) -> None:
    api = await serve(documents="base64")
    answer = (await note(api, await accepted(api))).json
    assert (answer["fileName"], answer["mediaType"]) == ("delivery-note-IS-000001.pdf", "application/pdf")
    assert answer["url"] is None
    assert "REF-1" in pages(base64.b64decode(answer["content"], validate=True))[0]


@pytest.mark.parametrize("links", ["relative", "absolute"])
async def test_a_note_comes_as_an_address_on_the_same_origin(serve: Serve, links: str) -> None:
    api = await serve(documents="url", links=links)
    key = await accepted(api)
    answer = (await note(api, key)).json
    assert answer["content"] is None
    base = api.sandbox.base_url if links == "absolute" else "/seller/v2"
    assert answer["url"].rpartition("/")[0] == f"{base}/documents"
    assert is_note(await api.get(answer["url"]))
    assert (await note(api, key)).json == answer


async def test_the_address_of_a_document_is_for_its_seller_only(serve: Serve) -> None:
    api = await serve(documents="url")
    url = (await note(api, await accepted(api))).json["url"]
    assert (await api.as_seller(SECOND).get(url)).is_problem(404)
    assert (await api.without("Authorization").get(url)).is_problem(401)
    assert (await api.get("/documents/nothing")).is_problem(404)
    assert (await api.call("POST", url)).status == 405


async def test_old_addresses_are_forgotten(serve: Serve) -> None:
    api = await serve(documents="url")
    keys = [await accepted(api) for _ in range(MAX_DOCUMENTS + 1)]
    urls = [(await note(api, key)).json["url"] for key in keys]
    assert len(set(urls)) == len(keys)
    assert (await api.get(urls[0])).is_problem(404)
    assert (await api.get(urls[1])).status == 200


async def test_a_note_asked_too_early_or_for_nothing(api: Api) -> None:
    waiting, refused = await create(api), await create(api, lines=[line("NONE")])
    assert (await note(api, waiting)).is_problem(409)
    api.sandbox.clock.advance(86_400)
    assert (await note(api, refused)).is_problem(409)
    key = await accepted(api)
    assert (await note(api, "nothing")).is_problem(404)
    assert (await note(api.as_seller(SECOND), key)).is_problem(404)
    api.sandbox.clock.advance(86_400)
    assert (await read(api, key))["status"] == "Received"
    assert (await note(api, key)).status == 200


async def test_the_library_is_imported_beside_the_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await accepted(api)
    threads: list[str] = []

    def importing(name: str) -> None:
        threads.append(threading.current_thread().name)
        raise ModuleNotFoundError(name)

    monkeypatch.delitem(sys.modules, "fpdf")
    monkeypatch.setattr("octoffm_async.sandbox.handlers.documents.import_module", importing)
    assert (await api.get("/stocks", limit=1)).status == 200
    assert threads == []
    await note(api, key)
    assert len(threads) == 1
    assert threads[0] != threading.main_thread().name


async def test_without_fpdf2_a_problem_says_what_to_install(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await accepted(api)
    monkeypatch.setitem(sys.modules, "fpdf", None)
    answer = await note(api, key)
    assert answer.is_problem(501)
    assert 'pip install "octoffm-async[sandbox]"' in answer.json["detail"]
    assert (await read(api, key))["status"] == "Accepted"


async def test_faults_hit_documents_too(api: Api) -> None:
    key = await accepted(api)
    faults: list[tuple[Fault, Any]] = [(Fault.UNKNOWN_VALUES, is_note), (Fault.MALFORMED_JSON, is_malformed)]
    for fault, expected in faults:
        api.sandbox.faults.next(fault, operation="inbound.delivery_note")
        assert expected(await note(api, key))


async def test_documents_are_cut_swollen_and_dripped_too(api: Api) -> None:
    key = await accepted(api)
    whole = (await note(api, key)).body
    api.sandbox.faults.next(Fault.TRUNCATED, operation="inbound.delivery_note")
    with pytest.raises(aiohttp.ClientPayloadError):
        await note(api, key)
    api.sandbox.faults.next(Fault.HUGE, operation="inbound.delivery_note", value=100_000)
    swollen = (await note(api, key)).body
    assert (len(swollen), swollen.lstrip()) == (100_000 + len(whole), whole)
    api.sandbox.faults.next(Fault.SLOW_DRIP, operation="inbound.delivery_note", value=1e5)
    assert (await note(api, key)).body == whole


def is_malformed(answer: Answer) -> bool:
    assert answer.headers["Content-Type"].startswith("application/json")
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.body)
    return True
