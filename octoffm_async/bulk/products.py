"""Registering products by the hundred: one call a chunk, one outcome a product."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..contract.operations import CREATE_PRODUCTS
from ..contract.products import FulfillmentProduct, RegistrationStatus
from ..errors import AnsweredError, CallError, RateLimitedError
from ..resources.products import UNCONFIRMED, Products, check_product
from .job import RUN_ENDING, Job
from .outcomes import Created, Failed, Refused, Unknown, outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contract.products import ProductResult
    from ..session.scope import Scope
    from .job import Deliver
    from .outcomes import Outcome

_PLACE = re.compile(r"\[(\d+)\]")
WHOLE_REFUSED = (400, 422)  # nothing of such a call was carried out
QUOTA_EXCEEDED = "quotaexceeded"  # S: how a quota may show inside a 2xx answer


class CreateProducts(Job[FulfillmentProduct]):
    """The job of ``client.bulk.create_products``.

    A call that is refused as a whole (400, 422) for single products is sent again without them: those that the answer
    names by place, or, if it names none, one half after the other. A refused call registered nothing, so this is safe.
    """

    batch = CREATE_PRODUCTS.max_items

    def __init__(self, scope: Scope) -> None:
        self._products = Products(scope)
        self._unconfirmed: dict[str, None] = {}

    def key(self, item: FulfillmentProduct) -> str:
        return item.seller_product_reference

    def check(self, item: FulfillmentProduct) -> None:
        check_product(item)

    async def handle(self, items: Sequence[FulfillmentProduct], deliver: Deliver) -> None:
        groups = [list(items)]
        while groups:
            group = groups.pop()
            try:
                results = await self._products.send(group)
            except RUN_ENDING:
                raise
            except CallError as error:
                if isinstance(error, AnsweredError) and error.status in WHOLE_REFUSED:
                    groups += await self._set_apart(group, error, deliver)
                else:
                    for product in group:
                        await deliver(outcome_of(self.key(product), error))
            else:
                await self._tell(group, results, deliver)

    async def finish(self, deliver: Deliver) -> None:
        """Read back, once for all, what was taken without a result."""
        if not self._unconfirmed:
            return
        for result in await self._products.read_back(list(self._unconfirmed)):
            if result.status != UNCONFIRMED:
                del self._unconfirmed[result.seller_product_reference]
                await deliver(Created(key=result.seller_product_reference))

    def undecided(self) -> list[Outcome]:
        reason = "taken by the API without a result, and not read back"
        return [Unknown(key=key, reason=reason) for key in self._unconfirmed]

    async def _set_apart(
        self, group: list[FulfillmentProduct], error: AnsweredError, deliver: Deliver
    ) -> list[list[FulfillmentProduct]]:
        refused, again = _set_apart(group, error)
        for product, message in refused:
            code = error.code or str(error.status)
            await deliver(Refused(key=self.key(product), code=code, message=message, error=error))
        return again

    async def _tell(
        self, group: list[FulfillmentProduct], results: list[ProductResult] | None, deliver: Deliver
    ) -> None:
        if results is None:
            self._unconfirmed |= dict.fromkeys(self.key(product) for product in group)
            return
        by_key = {result.seller_product_reference: result for result in results}
        for product in group:
            await deliver(_outcome(self.key(product), by_key.get(self.key(product))))


def _outcome(key: str, result: ProductResult | None) -> Outcome:
    if result is None:
        return Unknown(key=key, reason="the answer does not mention it")
    code, message = result.code or "", result.message or ""
    if code.casefold() == QUOTA_EXCEEDED:
        return Failed(key=key, error=RateLimitedError(message or "quota exceeded", status=429, code=code))
    if result.status == RegistrationStatus.ACCEPTED:
        return Created(key=key)
    if result.status.known:
        return Refused(key=key, code=code, message=message)
    return Unknown(key=key, reason=f"the API says {result.status.value!r} {code} {message}".rstrip())


def _set_apart(
    group: list[FulfillmentProduct], error: AnsweredError
) -> tuple[list[tuple[FulfillmentProduct, str]], list[list[FulfillmentProduct]]]:
    """The products that ``error`` is about, each with its message; and the groups to send again."""
    if len(group) == 1:
        return [(group[0], str(error))], []
    messages: dict[int, list[str]] = {}
    for field, told in error.field_errors.items():
        if (place := _PLACE.search(field)) and int(place[1]) < len(group):
            name = _PLACE.sub("", field, count=1).lstrip(".")  # a place in the chunk means nothing to the caller
            messages.setdefault(int(place[1]), []).append(f"{name}: {', '.join(told)}")
    if not messages:
        middle = len(group) // 2
        return [], [group[:middle], group[middle:]]
    rest = [product for place, product in enumerate(group) if place not in messages]
    return [(group[place], "; ".join(told)) for place, told in messages.items()], [rest] if rest else []
