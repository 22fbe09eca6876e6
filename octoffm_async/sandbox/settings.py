"""How the sandbox behaves where nothing public says how the real API does: each choice is a setting, to test both."""

from dataclasses import dataclass
from typing import Literal

ListShape = Literal["object", "array"]
LinkForm = Literal["relative", "absolute"]
CreationAnswer = Literal["body", "location", "content-location"]
ProductAnswer = Literal["items", "empty"]
CountForm = Literal["integer", "count", "total_item_count"]
DocumentForm = Literal["pdf", "base64", "url"]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When a shipment moves on: seconds of the sandbox's clock after its creation.

    The defaults let a test see every status without a long wait and without missing one.
    """

    accepted: float = 2.0
    in_preparation: float = 10.0
    shipped: float = 30.0

    def __post_init__(self) -> None:
        """Refuse a shipment that would leave before it is accepted."""
        if not 0 <= self.accepted <= self.in_preparation <= self.shipped:
            raise ValueError(f"{self}: must be 0 <= accepted <= in_preparation <= shipped")


@dataclass(frozen=True, kw_only=True)
class Style:
    """The form of answers, where the contract accepts more than one."""

    list_shape: ListShape = "object"
    links: LinkForm = "relative"
    creation_answer: CreationAnswer = "body"
    product_answer: ProductAnswer = "items"
    count_form: CountForm = "integer"
    documents: DocumentForm = "pdf"
