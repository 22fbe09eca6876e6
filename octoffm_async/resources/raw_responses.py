"""The resources whose single calls give the API's answer beside its value: ``client.with_raw_response``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .inbound import Inbound, RawInbound
from .outbound import Outbound, RawOutbound
from .products import Products, RawProducts
from .returns import RawReturns, Returns
from .stocks import RawStocks, Stocks

if TYPE_CHECKING:
    from ..session.seller_session import SellerSession
    from .protecting import CreateThroughJournal


class RawResponses:
    """The resources of a client, whose single calls give a :class:`RawResponse`."""

    def __init__(self, scope: SellerSession, protect: CreateThroughJournal) -> None:
        self.products: RawProducts = RawProducts(scope, Products)
        self.inbound: RawInbound = RawInbound(scope, lambda own: Inbound(own, protect))
        self.stocks: RawStocks = RawStocks(scope, Stocks)
        self.outbound: RawOutbound = RawOutbound(scope, lambda own: Outbound(own, protect))
        self.returns: RawReturns = RawReturns(scope, Returns)
