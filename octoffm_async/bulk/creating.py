"""Selection of the job and the remote look-up of a creation, by the name of its operation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..contract.operations import CREATE_INBOUND, CREATE_OUTBOUND, CREATE_PRODUCTS
from ..errors import ConfigurationError
from ..resources.believing import IdVerifier
from ..resources.inbound import Inbound, check_supply_order
from ..resources.outbound import Outbound, check_shipment
from .creations import CreateOrders
from .finding import OrderLookup, ProductLookup
from .oddities import OddReferences
from .products import CreateProducts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..session.scope import SellerSession
    from .finding import RemoteLookup
    from .job import Job
    from .verifying import Verification


_WORDS = {
    CREATE_PRODUCTS.name: ("product", "seller_product_reference"),
    CREATE_OUTBOUND.name: ("shipment", "reference"),
    CREATE_INBOUND.name: ("supply order", "reference"),
}
"""Words for an item and the field of its reference, by operation."""


def job_of(
    operation: str, scope: SellerSession, *, alone: bool = False, verify: Callable[[], Verification] | None = None
) -> tuple[Job[Any], RemoteLookup]:
    """Return the job and the remote look-up of a creation, by the operation's name.

    ``alone`` is set where no journal surrounds the job. ``verify`` makes the look-up of orders before they are sent.

    Raises:
        ConfigurationError: no creation has this name.
    """
    job, finder = _job_of(operation, scope, alone=alone, verify=verify)
    what, field = _WORDS[operation]
    job.odd = OddReferences(what, field, strict=bool(scope.options.strict_references))
    job.check = job.odd.checking(job.check, job.key)
    return job, finder


def _job_of(
    operation: str, scope: SellerSession, *, alone: bool, verify: Callable[[], Verification] | None
) -> tuple[Job[Any], RemoteLookup]:
    match operation:
        case CREATE_PRODUCTS.name:
            return CreateProducts(scope), ProductLookup(scope)
        case CREATE_OUTBOUND.name:
            orders = CreateOrders(
                send=Outbound(scope).send,
                check=partial(_check, scope, check_shipment),
                believing=IdVerifier(scope, CREATE_OUTBOUND),
                takes_encoded=True,
                alone=alone,
                verify=verify,
            )
            return orders, OrderLookup(scope, "outbound")
        case CREATE_INBOUND.name:
            supplies = CreateOrders(
                send=Inbound(scope).send,
                check=partial(_check, scope, check_supply_order),
                believing=IdVerifier(scope, CREATE_INBOUND),
                alone=alone,
                verify=verify,
            )
            return supplies, OrderLookup(scope, "inbound")
        case _:
            raise ConfigurationError(f"{operation!r} is not the name of a creation")


def _check(scope: SellerSession, check: Callable[[Any], None], item: Any) -> None:
    check(item)
    scope.check_extra("order", item)
