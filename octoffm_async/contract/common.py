"""Shapes of several services: a line of a request, a refusal, a document."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .base import A, Answer, D, Request, bounds
from .requests.checks import PAGE_MAX, QUANTITY_MAX

StorageCountry: TypeAlias = Literal["FR", "ES", "UK"] | str
"""The documented storage countries, or any other text (the API accepts ``GB``)."""
PageLimit: TypeAlias = Annotated[
    int,
    D,
    Meta(description="Largest number of rows in one page, 1 to 1000"),
    bounds("D", minimum=1, maximum=PAGE_MAX),
]
PageCursor: TypeAlias = Annotated[
    str | None, D, Meta(description="Cursor of the page to read, from the Link header of the page before it")
]


class ShipmentLine(Request, frozen=True, kw_only=True):
    """A quantity of one product in a supply order, a shipping order or a return.

    A shipping order names the product by the seller's reference, or by product id and condition; if both are given, the
    reference wins. The API refuses an unknown product later, not in the response to the call (documented). Supply
    orders and returns take the reference only (assumed).
    """

    quantity: Annotated[
        int, A, Meta(description="Number of items, at least 1"), bounds("A", minimum=1, maximum=QUANTITY_MAX)
    ]
    seller_product_reference: Annotated[
        str | None, D, Meta(description="The seller's own reference of the product")
    ] = None
    product_id: Annotated[str | None, D, Meta(description="Octopia's id of the product")] = None
    product_condition: Annotated[
        str | None, D, Meta(description="Condition of the product, such as New or LikeNew")
    ] = None


class Refusal(Answer, frozen=True, kw_only=True):
    """The warehouse's reason for refusing an order (assumed)."""

    code: Annotated[str | None, A, Meta(description="Code of the reason")] = None
    message: Annotated[str | None, A, Meta(description="Explanation of the reason")] = None


class DocumentAnswer(Answer, frozen=True, kw_only=True):
    """A document inside JSON: its bytes as Base64, or a URL on the API's origin (assumed)."""

    content: Annotated[str | None, A, Meta(description="Bytes of the document as Base64")] = None
    url: Annotated[str | None, A, Meta(description="URL of the document")] = None
    file_name: Annotated[str | None, A, Meta(description="File name of the document")] = None
    media_type: Annotated[str | None, A, Meta(description="Media type of the document, such as application/pdf")] = None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document, such as a delivery note or a return label.

    Attributes:
        content: The bytes of the document.
        media_type: The media type, such as ``application/pdf``.
        file_name: A file name without folders, safe to write to a folder.
    """

    content: bytes
    media_type: str
    file_name: str

    def __repr__(self) -> str:
        return f"Document({self.file_name!r}, {self.media_type}, {len(self.content)} bytes)"
