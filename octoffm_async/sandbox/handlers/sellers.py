"""The sellers of the client's account: not part of fulfillment, but a good check of credentials."""

from typing import Any

from octoffm_async.contract.operation import Group, Operation

from ..http.call import Handler, IncomingRequest
from ..http.responses import HttpReply, json_reply

LIST_SELLERS = Operation[Any](
    name="sellers.list",
    method="GET",
    path="/sellers",
    group=Group.OTHER,
    tag="D",
    answer=None,
)
"""The list of sellers. The contract's table lacks it: it is no fulfillment operation. It needs no seller header."""


def list_sellers(call: IncomingRequest) -> HttpReply:
    """List the sellers that this client may act for."""
    return json_reply({"items": [{"sellerId": seller} for seller in call.world.accounts]})


HANDLERS: dict[Operation[Any], Handler] = {LIST_SELLERS: list_sellers}
