"""How the sandbox behaves where nothing public says how the real API does: each choice is a setting, to test both."""

from dataclasses import dataclass
from typing import Literal

ListShape = Literal["object", "array"]
LinkForm = Literal["relative", "absolute"]
CreationAnswer = Literal["body", "location", "content-location"]
ProductAnswer = Literal["items", "empty"]
CountForm = Literal["integer", "count", "total_item_count"]
DocumentForm = Literal["pdf", "base64", "url"]

STORAGE_COUNTRIES = ("FR", "ES", "UK")  # D


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When a shipment or a supply order moves on: seconds of the sandbox's clock after its creation.

    The defaults let a test see every status without a long wait and without missing one.
    """

    accepted: float = 2.0
    in_preparation: float = 10.0
    shipped: float = 30.0
    inbound_accepted: float = 2.0
    receiving: float = 10.0
    partially_received: float = 20.0
    received: float = 30.0

    def __post_init__(self) -> None:
        """Refuse a shipment that would leave before it is accepted, and goods that come before they are expected."""
        if not 0 <= self.accepted <= self.in_preparation <= self.shipped:
            raise ValueError(f"{self}: must be 0 <= accepted <= in_preparation <= shipped")
        if not 0 <= self.inbound_accepted <= self.receiving <= self.partially_received <= self.received:
            raise ValueError(f"{self}: must be 0 <= inbound_accepted <= receiving <= partially_received <= received")


@dataclass(frozen=True, kw_only=True)
class Reception:
    """How the goods of a supply order come in: shares of each line, from 0 to 1.

    ``first_delivery`` comes at first, rounded up to whole items, and the rest later; an order that is complete with
    the first delivery needs no second. ``undelivered`` never comes: which lines lose the odd item hangs on the
    order's id.
    """

    first_delivery: float = 0.5
    undelivered: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name, share in (("first_delivery", self.first_delivery), ("undelivered", self.undelivered)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} = {share}: must be from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Style:
    """The form of answers, where the contract accepts more than one."""

    list_shape: ListShape = "object"
    links: LinkForm = "relative"
    creation_answer: CreationAnswer = "body"
    product_answer: ProductAnswer = "items"
    count_form: CountForm = "integer"
    documents: DocumentForm = "pdf"
