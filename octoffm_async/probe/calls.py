"""The table of a probe's calls, in order: thirteen steps, all of them GET except the token request. Pure data.

A placeholder (``{stock}``) stands for a value of an earlier answer; a probe skips a call whose value is unknown. The
files of a probe show the kind of a placeholder (``<real stock id>``), never its value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

from ..contract import operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..contract.operations import Operation

Who = Literal["own", "none", "other"]
"""The ``SellerId`` of a call: the account's, none, or another one."""

NO_SUCH_REFERENCE = "zz-no-such-ref"
NO_SUCH_GTIN = "9999999999994"
"""A valid check digit in a range that no company has."""
NO_SUCH_PRODUCT = "zz-no-such-product"
UNKNOWN_PATH = "/octoffm-probe-no-such-path"

KINDS = {
    "stock": "real stock id",
    "reference": "real reference",
    "random": "random UUID",
    "inbound": "real supply order id",
    "accepted_inbound": "id of an accepted supply order",
    "early_inbound": "id of a supply order that is not accepted",
    "shipped": "id of a shipped order",
    "refused": "id of a refused order",
    "outbound": "id of an order that is neither",
    "return": "real return id",
    "labelled_return": "id of a return with a label",
    "other_return": "id of another return",
    "next_stocks": "query of the link to the next page",
    "no_sellers": "no route /sellers",
}
"""The kinds of the placeholders."""

_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class ProbeCall:
    """One call of the table.

    ``name`` identifies the call for the modules that draw conclusions from its answer; ``settles`` is its purpose.
    ``needs`` names required values beside the placeholders of its path and query. ``odd`` calls are expected to be
    refused.
    """

    step: int
    name: str
    path: str
    settles: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    operation: Operation[Any] | None = None
    who: Who = "own"
    needs: tuple[str, ...] = ()
    odd: bool = False

    @property
    def wants(self) -> tuple[str, ...]:
        """The names of the values that the call requires."""
        texts = [self.path, *self.query.values()]
        return (*self.needs, *(name for text in texts for name in _PLACE.findall(text)))

    @property
    def shown(self) -> str:
        """The call with the kinds of its placeholders, as it may be shown to anybody."""
        query = "&".join(f"{name}={_kind(text)}" for name, text in self.query.items())
        if "next_stocks" in self.needs:
            query = f"<{KINDS['next_stocks']}>"
        who = {"own": "", "none": " without SellerId", "other": " with another SellerId"}[self.who]
        return f"GET {_kind(self.path)}{'?' if query else ''}{query}{who}"

    def target(self, known: Mapping[str, str]) -> str:
        """Return the path and query of the request."""
        path = _PLACE.sub(lambda found: quote(known[found[1]], safe=""), self.path)
        if "next_stocks" in self.needs:
            return f"{path}?{known['next_stocks']}"
        query = {name: _PLACE.sub(lambda found: known[found[1]], text) for name, text in self.query.items()}
        return path + (f"?{urlencode(query)}" if query else "")


def _kind(text: str) -> str:
    return _PLACE.sub(lambda found: f"<{KINDS[found[1]]}>", text)


TOKEN_SHOWN = "POST <token address>"  # noqa: S105  (the shown form of a call)
WRONG_SECRET_SHOWN = "POST <token address> with a wrong secret"  # noqa: S105  (the same)

_TWO = {"limit": "2"}
_ONE = {"limit": "1"}


def _sellers() -> list[ProbeCall]:
    rights, refusal = "whether the account has rights", "the body of a refused seller"
    return [
        ProbeCall(step=2, name="sellers", path="/sellers", settles=rights),
        ProbeCall(step=2, name="sellers.none", path="/sellers", who="none", odd=True, settles=refusal),
        ProbeCall(step=2, name="sellers.other", path="/sellers", who="other", odd=True, settles=refusal),
        *(
            ProbeCall(
                step=2,
                name=f"seller.{who}",
                path="/stocks",
                query=_ONE,
                who=who,
                odd=True,
                needs=("no_sellers",),
                settles=refusal,
            )
            for who in ("none", "other")
        ),
    ]


def _stocks() -> list[ProbeCall]:
    def ask(step: int, name: str, settles: str, *, odd: bool = True, **query: str) -> ProbeCall:
        return ProbeCall(
            step=step,
            name=name,
            path="/stocks",
            query=query,
            operation=operations.LIST_STOCKS,
            odd=odd,
            settles=settles,
        )

    bound, words, filtered = (
        "the body of a 400, and the bound of limit",
        "the values of filters",
        "the reference filter",
    )
    one = operations.GET_STOCK
    return [
        ask(3, "stocks.unlimited", bound),
        ask(3, "stocks.limit0", bound, limit="0"),
        ask(3, "stocks.limit1001", bound, limit="1001"),
        ask(4, "stocks", "envelope, links, rate headers, fields, keys of quantities", odd=False, limit="2"),
        ProbeCall(
            step=4,
            name="stocks.next",
            path="/stocks",
            needs=("next_stocks",),
            operation=operations.LIST_STOCKS,
            settles="whether the link works",
        ),
        ask(5, "stocks.impossible", filtered, odd=False, limit="5", sellerProductReference=NO_SUCH_REFERENCE),
        ask(6, "stocks.sort", words, limit="1", sort="Nonsense"),
        ask(6, "stocks.sorted", words, limit="1", order="Asc", sort="Available"),
        ask(6, "stocks.gb", "the spelling of countries", limit="1", storageCountry="GB"),
        ask(6, "stocks.uk", "the spelling of countries", limit="1", storageCountry="UK"),
        ask(
            6,
            "stocks.excluded",
            "filters that exclude each other",
            limit="1",
            deliveryCountry="FR",
            storageCountry="FR",
        ),
        ProbeCall(
            step=7, name="stock", path="/stocks/{stock}", operation=one, settles="whether it equals the list's row"
        ),
        ProbeCall(step=7, name="stock.random", path="/stocks/{random}", odd=True, settles="the body of a 404"),
        ProbeCall(step=7, name="stock.malformed", path="/stocks/not-a-uuid", odd=True, settles="the body of a 400"),
    ]


def _references() -> list[ProbeCall]:
    def ask(name: str, settles: str, *, odd: bool = True, **query: str) -> ProbeCall:
        path, one = "/stock-seller-references", operations.LIST_REFERENCES
        return ProbeCall(step=8, name=name, path=path, query=query, operation=one, odd=odd, settles=settles)

    works = "whether the filter works"
    return [
        ask("references.unlimited", "whether limit is required"),
        ask("references", "the fields", odd=False, limit="2"),
        ask("references.by_reference", works, limit="2", sellerProductReference=NO_SUCH_REFERENCE),
        ask("references.by_gtin", works, limit="2", gtin=NO_SUCH_GTIN),
        ask("references.by_product", works, limit="2", productId=NO_SUCH_PRODUCT),
        ProbeCall(
            step=5,
            name="stocks.real",
            path="/stocks",
            query={"limit": "5", "sellerProductReference": "{reference}"},
            operation=operations.LIST_STOCKS,
            settles="the reference filter, and how many stocks a reference has",
        ),
    ]


def _inbound() -> list[ProbeCall]:
    path, listed, note = "/inbound-shipments", operations.LIST_INBOUND, operations.GET_DELIVERY_NOTE
    notes = path + "/{%s}/delivery-notes"
    return [
        ProbeCall(
            step=9, name="inbound.count", path=f"{path}/count", operation=operations.COUNT_INBOUND, settles="counts"
        ),
        ProbeCall(step=9, name="inbound", path=path, query=_TWO, operation=listed, settles="statuses and lines"),
        ProbeCall(
            step=9,
            name="inbound.nonsense",
            path=path,
            query={**_TWO, "status": "Nonsense"},
            operation=listed,
            odd=True,
            settles="statuses",
        ),
        ProbeCall(
            step=9, name="inbound.get", path=path + "/{inbound}", operation=operations.GET_INBOUND, settles="fields"
        ),
        ProbeCall(step=9, name="note", path=notes % "accepted_inbound", operation=note, settles="the media type"),
        ProbeCall(step=9, name="note.early", path=notes % "early_inbound", odd=True, settles='the body of "too early"'),
    ]


def _outbound() -> list[ProbeCall]:
    path, listed, get = "/outbound-shipments", operations.LIST_OUTBOUND, operations.GET_OUTBOUND
    cancellations = "/outbound-cancellation-requests"
    lookup = "states, statuses, and whether rows carry the reference"
    return [
        ProbeCall(
            step=10, name="outbound.count", path=f"{path}/count", operation=operations.COUNT_OUTBOUND, settles="counts"
        ),
        ProbeCall(
            step=10, name="outbound", path=path, query={**_TWO, "state": "Valid"}, operation=listed, settles=lookup
        ),
        ProbeCall(
            step=10,
            name="outbound.nonsense",
            path=path,
            query={**_TWO, "state": "Nonsense"},
            operation=listed,
            odd=True,
            settles="states",
        ),
        ProbeCall(step=10, name="outbound.unlimited", path=path, operation=listed, settles=f"{lookup}; a page's size"),
        ProbeCall(step=10, name="outbound.shipped", path=path + "/{shipped}", operation=get, settles="parcels"),
        ProbeCall(step=10, name="outbound.refused", path=path + "/{refused}", operation=get, settles="the refusal"),
        ProbeCall(step=10, name="outbound.get", path=path + "/{outbound}", operation=get, settles="fields"),
        ProbeCall(
            step=11,
            name="cancellation",
            path=cancellations + "/{random}",
            odd=True,
            settles="existence, rights, id form",
        ),
        ProbeCall(step=11, name="cancellations", path=cancellations, odd=True, settles="whether they can be listed"),
    ]


def _returns() -> list[ProbeCall]:
    path, listed, label = "/returns", operations.LIST_RETURNS, operations.GET_LABEL
    return [
        ProbeCall(
            step=12, name="returns.count", path=f"{path}/count", operation=operations.COUNT_RETURNS, settles="counts"
        ),
        ProbeCall(step=12, name="returns", path=path, query=_TWO, operation=listed, settles="reasons and lines"),
        ProbeCall(
            step=12,
            name="returns.nonsense",
            path=path,
            query={**_TWO, "type": "Nonsense"},
            operation=listed,
            odd=True,
            settles="types",
        ),
        ProbeCall(
            step=12, name="returns.get", path=path + "/{return}", operation=operations.GET_RETURN, settles="fields"
        ),
        ProbeCall(
            step=12, name="label", path=path + "/{labelled_return}/labels", operation=label, settles="the media type"
        ),
        ProbeCall(
            step=12,
            name="label.other",
            path=path + "/{other_return}/labels",
            odd=True,
            settles="the answer for a missing label",
        ),
    ]


CALLS: tuple[ProbeCall, ...] = (
    *_sellers(),
    *_stocks(),
    *_references(),
    *_inbound(),
    *_outbound(),
    *_returns(),
    ProbeCall(step=13, name="products", path="/fulfillment-products", odd=True, settles="Allow"),
    ProbeCall(step=13, name="unknown", path=UNKNOWN_PATH, odd=True, settles="the gateway's own 404"),
)
"""All calls behind the token request, in order. The second half of step 5 needs a reference, which step 8 finds."""

STEPS = 13
