"""Documents: delivery notes and return labels as real PDFs, and the forms of their responses.

The PDFs need fpdf2 (the extra ``sandbox``). The same input gives the same bytes.
"""

import asyncio
import re
import sys
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from typing import TYPE_CHECKING, Any

from octoffm_async.contract.common import Document, DocumentAnswer
from octoffm_async.contract.inbound import InboundShipment
from octoffm_async.contract.operation import Group, Operation, Shape
from octoffm_async.contract.outbound import ShippedTo
from octoffm_async.contract.returns import Return

from ..http.call import API_PATH, Handler, IncomingRequest
from ..http.responses import PDF, HttpReply, ProblemError, json_reply

if TYPE_CHECKING:
    from fpdf import FPDF

GET_DOCUMENT = Operation[Document | str](
    name="documents.get",
    method="GET",
    path="/documents/{documentId}",
    group=Group.OTHER,
    tag="A",
    answer=DocumentAnswer,
    shape=Shape.DOCUMENT,
)
"""The sandbox's own route for documents that a response names by URL; not part of the contract."""

MAX_DOCUMENTS = 100

_WAREHOUSE = ("Octopia fulfillment", "Returns", "1 rue de l'Entrepot", "33000 Bordeaux", "FR")
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)

# Millimetres on an A4 sheet.
_LEFT = 15
_TOP = 20
_BOTTOM = 280
_ROW = 5
_LONGEST_TEXT = 90
_CODE_39 = re.compile(r"[0-9A-Z. $/+%-]{1,40}")


async def load_library() -> None:
    """Import fpdf2 in a thread: the import takes some tenths of a second and must not block the server."""
    if "fpdf" not in sys.modules:
        with suppress(ImportError):
            await asyncio.to_thread(import_module, "fpdf")


def delivery_note(shipment: InboundShipment) -> bytes:
    """Return the delivery note of a supply order, with the announced quantities, not the received ones."""
    pdf = _new_pdf(f"Delivery note {shipment.code}", shipment.created_at)
    _heading(pdf, "Delivery note")
    expected = shipment.expected_delivery_date
    facts = (
        ("Code", shipment.code),
        ("Reference", shipment.reference),
        ("Shipment", shipment.inbound_shipment_id),
        ("Storage country", shipment.storage_country),
        ("Expected on", None if expected is None else expected.date().isoformat()),
    )
    y = _facts(pdf, _TOP + 10, facts)
    rows = (
        f"{number:>5}  {_plain(line.seller_product_reference):<50}  {line.quantity:>12}"
        for number, line in enumerate(shipment.lines, 1)
    )
    _table(pdf, y + _ROW, f"{'Line':>5}  {'Seller product reference':<50}  {'Quantity':>12}", rows)
    return bytes(pdf.output())


def return_label(row: Return, address: ShippedTo | None) -> bytes:
    """Return the label of a return parcel: its id as text and in Code 39, the sender and the recipient."""
    pdf = _new_pdf(f"Return label {row.return_id}", row.created_at)
    _heading(pdf, "Return label")
    y = _facts(pdf, _TOP + 10, (("Return", row.return_id), ("Reference", row.reference), ("Parcel", row.parcel_id)))
    if _CODE_39.fullmatch(code := row.return_id.upper()):
        pdf.code39(f"*{code}*", x=_LEFT, y=y, w=0.75, h=18)
        y += 18
    y = _block(pdf, y + 2 * _ROW, "From", [] if address is None else _address_lines(address))
    _block(pdf, y + _ROW, "To", _WAREHOUSE)
    return bytes(pdf.output())


def document_reply(call: IncomingRequest, content: bytes, file_name: str) -> HttpReply:
    """Return a PDF in the form of the style: as bytes, inside JSON, or as a URL on the API's origin."""
    document = Document(content=content, media_type=PDF, file_name=re.sub(r"[^\w.-]", "_", file_name, flags=re.ASCII))
    match call.style.documents:
        case "pdf":
            return _bytes_of(document)
        case "base64":
            return _named(document, content=b64encode(content).decode())
        case "url":
            key = _keep(call.account.documents, document)
            return _named(document, url=call.link_prefix(f"{API_PATH}/documents/{key}"))


def get_document(call: IncomingRequest) -> HttpReply:
    """Return a document by the URL that an earlier response gave."""
    document = call.account.documents.get(call.resource_id)
    if document is None:
        raise ProblemError(404, f"Document '{call.resource_id}' was not found.")
    return _bytes_of(document)


def _bytes_of(document: Document) -> HttpReply:
    disposition = f'attachment; filename="{document.file_name}"'
    return HttpReply(200, document.content, document.media_type, {"Content-Disposition": disposition})


def _named(document: Document, **where: Any) -> HttpReply:
    return json_reply(DocumentAnswer(file_name=document.file_name, media_type=document.media_type, **where))


def _keep(documents: dict[str, Document], document: Document) -> str:
    """Store a document under the hash of its content; beyond the bound, drop the least recently requested one."""
    key = sha256(document.file_name.encode() + b"\0" + document.content).hexdigest()[:32]
    documents.pop(key, None)
    documents[key] = document
    if len(documents) > MAX_DOCUMENTS:
        del documents[next(iter(documents))]
    return key


def _new_pdf(title: str, moment: datetime | None) -> "FPDF":
    try:
        from fpdf import FPDF
    except ImportError as error:
        raise ProblemError(501, 'Documents need fpdf2: pip install "octoffm-async[sandbox]"') from error
    pdf = FPDF()
    pdf.set_creation_date(moment or _UNDATED)
    pdf.set_title(_plain(title))
    pdf.add_page()
    return pdf


def _heading(pdf: "FPDF", words: str) -> None:
    pdf.set_font("Helvetica", "B", 18)
    pdf.text(_LEFT, _TOP, words)


def _facts(pdf: "FPDF", y: float, facts: Iterable[tuple[str, str | None]]) -> float:
    """Write each fact that has a value on a line; return the next free position."""
    pdf.set_font("Helvetica", "", 11)
    for name, value in facts:
        if value:
            pdf.text(_LEFT, y, f"{name}: {_plain(value)}")
            y += _ROW + 1
    return y


def _block(pdf: "FPDF", y: float, name: str, lines: Iterable[str]) -> float:
    pdf.set_font("Helvetica", "B", 11)
    pdf.text(_LEFT, y, name)
    pdf.set_font("Helvetica", "", 11)
    for line in lines:
        y += _ROW + 1
        pdf.text(_LEFT, y, _plain(line))
    return y + _ROW


def _table(pdf: "FPDF", y: float, head: str, rows: Iterable[str]) -> None:
    _head_of_table(pdf, y, head)
    for row in rows:
        y += _ROW
        if y > _BOTTOM:
            pdf.add_page()
            _head_of_table(pdf, _TOP, head)
            y = _TOP + _ROW
        pdf.text(_LEFT, y, row)


def _head_of_table(pdf: "FPDF", y: float, head: str) -> None:
    pdf.set_font("Courier", "B", 9)
    pdf.text(_LEFT, y, head)
    pdf.set_font("Courier", "", 9)


def _address_lines(address: ShippedTo) -> list[str]:
    lines = (
        (address.civility, address.first_name, address.last_name),
        (address.company_name,),
        (address.address_line1,),
        (address.address_line2,),
        (address.address_line3,),
        (address.postal_code, address.city),
        (address.state_or_region,),
        (address.country_code,),
    )
    joined = (" ".join(filter(None, parts)) for parts in lines)
    return [line for line in joined if line]


def _plain(text: str | None) -> str:
    """Return a text for the built-in fonts: on one line, with ``?`` for characters outside Latin-1."""
    printable = "".join(letter if letter.isprintable() else " " for letter in (text or "")[:_LONGEST_TEXT])
    return printable.encode("latin-1", "replace").decode("latin-1")


HANDLERS: dict[Operation[Any], Handler] = {GET_DOCUMENT: get_document}
