"""Registration of products by the hundred: one call per chunk, one outcome per product."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from ..contract.operations import CREATE_PRODUCTS
from ..contract.products import FulfillmentProduct, RegistrationStatus
from ..contract.requests.fingerprints import fingerprints
from ..errors import AnsweredError, CallError
from ..resources.products import check_product, read_products_back, send_products
from ..session.seller_session import SellerSession
from .job import RUN_ENDING, Job
from .outcomes import Created, Failed, Refused, Unknown, outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contract.products import ProductResult
    from .job import Deliver
    from .outcomes import Outcome

_PLACE = re.compile(r"\[(\d+)\]")
WHOLE_REFUSED = (400, 422)  # the API carried out nothing of such a call


class CreateProducts(Job[FulfillmentProduct]):
    """The job of ``client.bulk.create_products``.

    A call that is refused as a whole (400, 422) for single products is sent again without them: without those that the
    response names by index, or, if it names none, one half after the other. A refused call registered nothing, so this
    is safe.

    Products that a success refuses for a quota (seen) are sent again when the key's pause is over, as long as the
    chunk's deadline allows, and are refused after that.
    """

    batch: int = CREATE_PRODUCTS.max_items

    def __init__(self, scope: SellerSession) -> None:
        self._scope = scope
        self.batch = scope.session.translation.max_items(CREATE_PRODUCTS)
        self._unconfirmed: dict[str, None] = {}

    def key(self, item: FulfillmentProduct) -> str:
        return item.seller_product_reference

    def fingerprints(self, items: Sequence[FulfillmentProduct]) -> list[bytes]:
        return fingerprints(items)

    def check(self, item: FulfillmentProduct) -> None:
        check_product(item)
        self._scope.check_extra("product", item)
        if self.odd is not None:
            self.odd.look(self.key(item))

    async def handle(self, items: Sequence[FulfillmentProduct], deliver: Deliver) -> None:
        ends_at = asyncio.get_running_loop().time() + (
            self._scope.options.deadline or self._scope.session.config.deadline
        )
        over_quota: dict[str, Refused] = {}
        groups = [list(items)]
        while groups:
            group = groups.pop()
            try:
                results = await send_products(self._within(ends_at if over_quota else None), group)
            except RUN_ENDING:
                raise
            except CallError as error:
                if isinstance(error, AnsweredError) and error.status in WHOLE_REFUSED:
                    groups += await self._set_apart(group, error, deliver)
                    continue
                for product in group:
                    outcome = outcome_of(self.key(product), error)
                    given_up = isinstance(outcome, Failed) and error.retryable
                    await deliver(over_quota.get(outcome.key, outcome) if given_up else outcome)
            else:
                refused = await self._deliver_results(group, results, deliver)
                over_quota |= {outcome.key: outcome for outcome in refused}
                if self.stop_requested or asyncio.get_running_loop().time() >= ends_at:
                    for outcome in refused:
                        await deliver(outcome)
                elif refused:
                    to_resend = {outcome.key for outcome in refused}
                    groups.append([product for product in group if self.key(product) in to_resend])

    async def finish(self, deliver: Deliver) -> None:
        """Read back, once for all, the products that were accepted without a result."""
        if not self._unconfirmed:
            return
        for result in await read_products_back(self._scope, list(self._unconfirmed)):
            if result.status != RegistrationStatus.UNCONFIRMED:
                del self._unconfirmed[result.seller_product_reference]
                await deliver(Created(key=result.seller_product_reference))

    def undecided(self) -> list[Outcome]:
        reason = "accepted by the API without a result, and not read back"
        return [Unknown(key=key, reason=reason) for key in self._unconfirmed]

    async def _set_apart(
        self, group: list[FulfillmentProduct], error: AnsweredError, deliver: Deliver
    ) -> list[list[FulfillmentProduct]]:
        refused, to_resend = _set_apart(group, error)
        for product, message in refused:
            code = error.code or str(error.status)
            await deliver(Refused(key=self.key(product), code=code, message=message, error=error))
        return to_resend

    def _within(self, ends_at: float | None) -> SellerSession:
        """Return a session whose calls end by then, if it is given."""
        if ends_at is None:
            return self._scope
        left = max(1e-3, ends_at - asyncio.get_running_loop().time())
        return SellerSession(self._scope.session, self._scope.seller_id, self._scope.options.changed(deadline=left))

    async def _deliver_results(
        self, group: list[FulfillmentProduct], results: list[ProductResult] | None, deliver: Deliver
    ) -> list[Refused]:
        """Deliver decided outcomes; return those that were refused for a quota."""
        if results is None:
            self._unconfirmed |= dict.fromkeys(self.key(product) for product in group)
            return []
        by_key = {result.seller_product_reference: result for result in results}
        over_quota: list[Refused] = []
        for product in group:
            result = by_key.get(self.key(product))
            outcome = _outcome(self.key(product), result)
            if result is not None and result.over_quota and isinstance(outcome, Refused):
                over_quota.append(outcome)
            else:
                await deliver(outcome)
        return over_quota


def _outcome(key: str, result: ProductResult | None) -> Outcome:
    if result is None:
        return Unknown(key=key, reason="the response does not mention it")
    code, message = result.code or "", result.message or ""
    if result.over_quota:
        return Refused(key=key, code=code, message=message or "a quota is used up")
    if result.status == RegistrationStatus.ACCEPTED:
        return Created(key=key)
    if result.status.meaning.known:
        return Refused(key=key, code=code, message=message)
    return Unknown(key=key, reason=f"the API says {result.status.value!r} {code} {message}".rstrip())


def _set_apart(
    group: list[FulfillmentProduct], error: AnsweredError
) -> tuple[list[tuple[FulfillmentProduct, str]], list[list[FulfillmentProduct]]]:
    """Split a group into the products that ``error`` names, each with its message, and the groups to send again."""
    if len(group) == 1:
        return [(group[0], str(error))], []
    messages: dict[int, list[str]] = {}
    for field, texts in error.field_errors.items():
        if (place := _PLACE.search(field)) and int(place[1]) < len(group):
            name = _PLACE.sub("", field, count=1).lstrip(".")  # the caller does not know an index in the chunk
            messages.setdefault(int(place[1]), []).append(f"{name}: {', '.join(texts)}")
    if not messages:
        middle = len(group) // 2
        return [], [group[:middle], group[middle:]]
    rest = [product for place, product in enumerate(group) if place not in messages]
    return [(group[place], "; ".join(texts)) for place, texts in messages.items()], [rest] if rest else []
