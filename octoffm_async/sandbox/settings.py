"""Settings for behaviour of the real API that no public source describes, so that a test can try each variant."""

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

STORAGE_COUNTRIES = ("FR", "ES", "UK")  # documented


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Times of the status changes, in seconds of the sandbox's clock after the creation of a row.

    The first three belong to a shipment, the next four to a supply order. The warehouse decides a cancellation request
    ``cancellation`` seconds after its creation. The parcel of a return reaches the warehouse at ``return_pending``, and
    the inspection is at ``return_completed``. With the defaults a test can see every status without a long wait.

    Raises:
        ValueError: a time is negative, or the times are not in the order of the statuses.
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
        """Refuse negative times and times out of order."""
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
    """Results of the inspection of returns, as shares from 0 to 1: by default each is complete and in good state.

    ``damaged`` and ``wrong`` are shares of the lines, ``missing`` is the share of lines with items that did not arrive,
    and ``undeclared`` is the share of returns with one item more than announced (if that much was shipped).

    Raises:
        ValueError: a share, or ``damaged + wrong``, is not from 0 to 1.
    """

    damaged: float = 0.0
    wrong: float = 0.0
    missing: float = 0.0
    undeclared: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that are not from 0 to 1, and ``damaged + wrong`` above 1."""
        shares = (self.damaged, self.wrong, self.missing, self.undeclared, self.damaged + self.wrong)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"{self}: shares go from 0 to 1, and damaged + wrong must be at most 1")


@dataclass(frozen=True, kw_only=True)
class Reception:
    """Deliveries of a supply order, as shares of each line from 0 to 1.

    ``first_delivery`` is the share of the first delivery, rounded up to whole items; the rest arrives later. An order
    that is complete after the first delivery has no second one. ``undelivered`` is the share that never arrives; the
    order's id decides how it is rounded for each line.

    Raises:
        ValueError: a share is not from 0 to 1.
    """

    first_delivery: float = 0.5
    undelivered: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that are not from 0 to 1."""
        for name, share in (("first_delivery", self.first_delivery), ("undelivered", self.undelivered)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} = {share}: must be from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class ResponseStyle:
    """The form of responses, where that of the real API is unknown or differs from route to route.

    ``links`` in the form ``base`` are relative to the base URL (``</stocks?…>``). With ``reference_filter="applied"``,
    ``GET /stocks`` obeys ``sellerProductReference``; with ``"ignored"`` it returns all stocks, as a related route of
    Octopia is known to do. ``names`` is the spelling of the members of all responses; the types of quantities stay in
    PascalCase unless the spelling is snake_case. ``times`` have a ``Z``, no zone, an offset of one hour, or the 7
    decimals of .NET. With ``ids="integer"``, new ids are consecutive numbers, and ids and ``gtin`` are JSON integers.
    ``empty`` is the form of an empty list: ``[]``, ``null``, or no content (204) for a list that is the whole response.

    Raises:
        ValueError: a field has an unknown form; the message lists the known ones.
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
    """The fields of :class:`ResponseStyle` as optional keyword arguments."""

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
    """Return the allowed forms of each field of a style, the default first."""
    return {name: get_args(form) for name, form in get_type_hints(ResponseStyle).items()}


def style_of(options: StyleOptions) -> ResponseStyle:
    """Return the style of some keyword arguments. Raises ``TypeError`` for an argument that is no field of a style."""
    known = style_values()
    for name in cast("Mapping[str, object]", options):
        if name not in known:
            raise TypeError(f"{name!r} is no setting of the sandbox; the forms of its responses are {', '.join(known)}")
    return ResponseStyle(**options)
