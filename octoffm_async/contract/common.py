"""What several services share: a line of a request, a refusal, a document (API.md, 3, 5, 7 and 8)."""

from typing import Annotated

import msgspec

from .base import A, Answer, D, Request, bounds
from .bounds import QUANTITY_MAX


class ShipmentLine(Request, frozen=True, kw_only=True):
    """So many of one product, in a supply order, a shipping order or a return.

    In a shipping order it names the seller's reference, or product and condition; if both are given, the reference
    wins, and an unknown product is refused later, not by the call (**D**). Supply orders and returns know the
    reference only (**A**).
    """

    quantity: Annotated[int, A, bounds("A", minimum=1, maximum=QUANTITY_MAX)]
    seller_product_reference: Annotated[str | None, D] = None
    product_id: Annotated[str | None, D] = None
    product_condition: Annotated[str | None, D] = None


class Refusal(Answer, frozen=True, kw_only=True):
    """Why the warehouse will not do it (**A**)."""

    code: Annotated[str | None, A] = None
    message: Annotated[str | None, A] = None


class DocumentAnswer(Answer, frozen=True, kw_only=True):
    """A document inside JSON: its bytes as Base64, or the address to read them from, on the API's origin (**A**)."""

    content: Annotated[str | None, A] = None
    url: Annotated[str | None, A] = None
    file_name: Annotated[str | None, A] = None
    media_type: Annotated[str | None, A] = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document as bytes, with its media type and a file name that is safe to write to a folder."""

    content: bytes
    media_type: str
    file_name: str

    def __repr__(self) -> str:
        return f"Document({self.file_name!r}, {self.media_type}, {len(self.content)} bytes)"
