"""How the sandbox behaves where nothing public says how the real API does: each choice is a setting, to test both."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypedDict, cast, get_args, get_type_hints

ListShape = Literal["object", "array"]
LinkForm = Literal["relative", "absolute", "base"]
CreationAnswer = Literal["body", "id", "location", "content-location"]
ProductAnswer = Literal["items", "empty"]
CountForm = Literal["count", "integer", "total_item_count", "totalItemCount"]
DocumentForm = Literal["pdf", "base64", "url"]
ReferenceFilter = Literal["applied", "ignored"]
NameForm = Literal["camel", "pascal", "snake"]
NumberForm = Literal["number", "text"]
QuantityForm = Literal["object", "list"]
RefusedWord = Literal["Refused", "Rejected"]
CancelledWord = Literal["Cancelled", "Canceled"]
TimeForm = Literal["z", "zoneless", "offset", "ticks7"]
IdForm = Literal["text", "integer"]
EmptyForm = Literal["list", "null", "204"]

STORAGE_COUNTRIES = ("FR", "ES", "UK")  # D


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When things move on: seconds of the sandbox's clock after their creation.

    The first three are a shipment's, the next four a supply order's. A request to cancel is decided ``cancellation``
    seconds after it was made. A return's parcel reaches the warehouse at ``return_pending`` and is inspected at
    ``return_completed``. The defaults let a test see every status without a long wait and without missing one.
    """

    accepted: float = 2.0
    in_preparation: float = 10.0
    shipped: float = 30.0
    inbound_accepted: float = 2.0
    receiving: float = 10.0
    partially_received: float = 20.0
    received: float = 30.0
    cancellation: float = 5.0
    return_referencing: float = 2.0
    return_referenced: float = 5.0
    return_accepted: float = 10.0
    return_pending: float = 20.0
    return_completed: float = 40.0

    def __post_init__(self) -> None:
        """Refuse a shipment that would leave before it is accepted, and the like."""
        _check_order(self, "accepted", "in_preparation", "shipped")
        _check_order(self, "cancellation")
        _check_order(self, "inbound_accepted", "receiving", "partially_received", "received")
        _check_order(
            self, "return_referencing", "return_referenced", "return_accepted", "return_pending", "return_completed"
        )


def _check_order(timeline: Timeline, *names: str) -> None:
    times: list[float] = [0.0, *(getattr(timeline, name) for name in names)]
    if not all(before <= after for before, after in pairwise(times)):
        raise ValueError(f"{timeline}: must be 0 <= {' <= '.join(names)}")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What the warehouse finds in returns, as shares from 0 to 1: by default each is complete and in good state.

    ``damaged`` and ``wrong`` are shares of the lines, ``missing`` the share of lines of which items did not arrive, and
    ``undeclared`` the share of returns that hold one item more than announced (if that much was shipped).
    """

    damaged: float = 0.0
    wrong: float = 0.0
    missing: float = 0.0
    undeclared: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that are none, and more bad lines than lines."""
        shares = (self.damaged, self.wrong, self.missing, self.undeclared, self.damaged + self.wrong)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"{self}: shares go from 0 to 1, and damaged + wrong make at most 1")


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
    """The form of answers, where the real API's is not known or differs from route to route.

    ``links`` in the form ``base`` are relative to the base URL (``</stocks?…>``). ``reference_filter`` says whether
    ``GET /stocks`` obeys ``sellerProductReference``, or gives everything, as a sister route is known to. ``names`` is
    the spelling of the members of all answers; the types of quantities stay in PascalCase unless all is snake_case.
    ``times`` come with a ``Z``, without a zone, at an offset of one hour, or with the 7 decimals of .NET. With ``ids``
    as integers, new ids count up from a number, and ids and ``gtin`` are JSON integers. ``empty`` says what stands for
    an empty list: ``null``, or no content (204) for a list that is the whole answer.
    """

    list_shape: ListShape = "object"
    links: LinkForm = "relative"
    creation_answer: CreationAnswer = "body"
    product_answer: ProductAnswer = "items"
    count_form: CountForm = "count"
    documents: DocumentForm = "pdf"
    reference_filter: ReferenceFilter = "applied"
    names: NameForm = "camel"
    numbers: NumberForm = "number"
    quantities: QuantityForm = "object"
    refused: RefusedWord = "Refused"
    cancelled: CancelledWord = "Cancelled"
    times: TimeForm = "z"
    ids: IdForm = "text"
    empty: EmptyForm = "list"

    def __post_init__(self) -> None:
        """Refuse forms that the sandbox does not have."""
        for name, values in style_values().items():
            if (given := getattr(self, name)) not in values:
                raise ValueError(f"{name} = {given!r}: must be one of {', '.join(values)}")


class StyleOptions(TypedDict, total=False):
    """The fields of :class:`Style` as keyword arguments, each of which may be left out."""

    list_shape: ListShape
    links: LinkForm
    creation_answer: CreationAnswer
    product_answer: ProductAnswer
    count_form: CountForm
    documents: DocumentForm
    reference_filter: ReferenceFilter
    names: NameForm
    numbers: NumberForm
    quantities: QuantityForm
    refused: RefusedWord
    cancelled: CancelledWord
    times: TimeForm
    ids: IdForm
    empty: EmptyForm


def style_values() -> Mapping[str, tuple[str, ...]]:
    """The forms that each field of a style may have, the usual one first."""
    return {name: get_args(form) for name, form in get_type_hints(Style).items()}


def style_of(options: StyleOptions) -> Style:
    """The style that keyword arguments ask for. Raises ``TypeError`` for one that is no field of it."""
    known = style_values()
    for name in cast("Mapping[str, object]", options):
        if name not in known:
            raise TypeError(f"{name!r} is no setting of the sandbox; the forms of its answers are {', '.join(known)}")
    return Style(**options)
