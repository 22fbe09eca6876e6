"""Products: registration and the seller's references.

One malformed product makes the sandbox refuse the whole request, as .NET model validation does. A well-formed product
that breaks a rule of identity is refused alone, inside a 202.
"""

from datetime import datetime
from typing import Any

from octoffm_async.contract.operation import Operation
from octoffm_async.contract.products import (
    CREATE_PRODUCTS,
    LIST_REFERENCES,
    QUOTA_EXCEEDED,
    FulfillmentProduct,
    ProductCondition,
    ProductResult,
    ProductResults,
    ReferenceFilters,
    RegistrationStatus,
    SellerReference,
)
from octoffm_async.contract.requests.validation import product_problems
from octoffm_async.contract.stocks import ProductState, Stock

from ..http.call import Handler, IncomingRequest, decode_body, field_errors, list_response, read_filters
from ..http.request_reader import BodyReader
from ..http.responses import HttpReply, json_reply, validation_problem
from ..world.stock_movements import NO_ITEMS
from ..world.world import SellerAccount, World

_products = BodyReader(list[FulfillmentProduct], wrap="products")


def create_products(call: IncomingRequest) -> HttpReply:
    """Register 1 to 100 products."""
    products = decode_body(call, _products)
    if not 1 <= len(products) <= call.operation.max_items:
        raise validation_problem({"$": [f"{len(products)} products: 1 to {call.operation.max_items} are allowed."]})
    errors: dict[str, list[str]] = {}
    for place, product in enumerate(products):
        errors |= field_errors(product_problems(product, assumed=True), f"[{place}].")
    if errors:
        raise validation_problem(errors)
    over, within = products[: call.over_quota], products[call.over_quota :]
    results = [*map(_over_quota, over), *(_register(call, product) for product in within)]
    if call.style.product_answer == "empty":
        return HttpReply(call.operation.success)
    return json_reply(ProductResults(items=results), call.operation.success)


def list_references(call: IncomingRequest) -> HttpReply:
    """List the seller's references in order of registration."""
    filters = read_filters(call, ReferenceFilters)
    return list_response(call, call.account.references, filters)


def product_pair(gtin: str, condition: str) -> tuple[str, str]:
    """Return the identity of a product in one condition; leading zeros do not distinguish GTINs."""
    return gtin.zfill(14), condition.casefold()


def _register(call: IncomingRequest, product: FulfillmentProduct) -> ProductResult:
    reference = product.seller_product_reference
    pair = product_pair(product.gtin, product.product_condition)
    refusal = _refusal(call.account, reference, pair)
    if refusal is not None:
        code, message = refusal
        return ProductResult(
            seller_product_reference=reference, status=RegistrationStatus.REFUSED, code=code, message=message
        )
    if reference not in call.account.references:
        add_product(call.world, call.account, product, call.now)
        call.world.effects.add(call.account.seller, "products", reference)
    return ProductResult(seller_product_reference=reference, status=RegistrationStatus.ACCEPTED)


def _over_quota(product: FulfillmentProduct) -> ProductResult:
    return ProductResult(
        seller_product_reference=product.seller_product_reference,
        status=RegistrationStatus.REFUSED,
        code=QUOTA_EXCEEDED,
        message="The quota of registrations is used up.",
    )


def _refusal(account: SellerAccount, reference: str, pair: tuple[str, str]) -> tuple[str, str] | None:
    used = account.references.get(reference)
    if used is not None and product_pair(used.gtin or "", used.product_condition or "") != pair:
        return "SellerProductReferenceAlreadyUsed", f"Reference '{reference}' names another product."
    other = account.reference_of_pair.get(pair)
    if other is not None and other != reference:
        return "ProductAlreadyReferenced", f"This product and condition has the reference '{other}'."
    return None


def add_product(world: World, account: SellerAccount, product: FulfillmentProduct, moment: datetime) -> None:
    """Add a new product to an account, with its reference and an empty stock."""
    reference = product.seller_product_reference
    condition = ProductCondition(product.product_condition)
    row = SellerReference(
        seller_id=account.seller,
        seller_product_reference=reference,
        product_id=(product_id := world.new_id()),
        stock_id=(stock_id := world.new_id()),
        gtin=product.gtin,
        product_condition=condition,
        created_at=moment,
    )
    stock = Stock(
        quantities=NO_ITEMS,
        id=stock_id,
        product_id=product_id,
        product_state=ProductState.NEW if condition is ProductCondition.NEW else ProductState.USED,
        product_condition=condition,
        gtin=product.gtin,
        updated_at=moment,
    )
    account.references.add(reference, row, moment)
    account.stocks.add(stock_id, stock, moment)
    account.reference_of_pair[product_pair(product.gtin, product.product_condition)] = reference
    account.reference_of_product[product_id] = reference


HANDLERS: dict[Operation[Any], Handler] = {CREATE_PRODUCTS: create_products, LIST_REFERENCES: list_references}
