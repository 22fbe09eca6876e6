"""The sellers of the client's account (API.md, 1): no call of fulfillment, but a good first check of credentials."""

from typing import Any

from octoffm_async.contract.operations import Group, Operation

from .calls import Call, Handler
from .replies import Reply, json_reply

LIST_SELLERS = Operation[Any](
    name="sellers.list",
    method="GET",
    path="/sellers",
    group=Group.OTHER,
    tag="D",
    answer=None,
)
"""Outside the contract's table: it is no operation of fulfillment. It needs a token, and no seller."""


def list_sellers(call: Call) -> Reply:
    """Every seller that this client may act for."""
    return json_reply({"items": [{"sellerId": seller} for seller in call.world.accounts]})


HANDLERS: dict[Operation[Any], Handler] = {LIST_SELLERS: list_sellers}
