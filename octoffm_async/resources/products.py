"""Products: registration for the warehouse, and the seller's references."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from ..contract.products import (
    CREATE_PRODUCTS,
    LIST_REFERENCES,
    FulfillmentProduct,
    ProductCondition,
    ProductResult,
    ReferenceFilters,
    RegistrationStatus,
)
from ..contract.requests.checks import FieldProblem
from ..contract.requests.validation import product_problems
from ..errors import ValidationError, check_type
from ..session.pagination import paginate
from .protecting import check_protected
from .raw_method import RawResource, raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contract.products import ProductConditionName, SellerReference
    from ..session.pagination import Pager
    from ..session.seller_session import SellerSession


class Products:
    """Products of a seller: ``client.products``.

    ::

        results = await client.products.create([product])
    """

    def __init__(self, scope: SellerSession) -> None:
        self._scope = scope

    async def create(self, products: Iterable[FulfillmentProduct]) -> list[ProductResult]:
        """Register products, or add references to known products, in one call (documented).

        A call takes 1 to 100 products (the number is assumed). For more, and for outcomes item by item, use
        ``client.bulk.create_products``. If the API answers without results, the client reads the references back: a
        reference that is not listed is ``Unconfirmed``.

        Raises:
            ValidationError: a product is invalid; nothing was sent.
            CallError: the call did not succeed; see ``outcome_unknown``.
        """
        check_protected("create_products")
        some = _listed(products)
        for product in some:
            check_product(product)
            self._scope.check_extra("product", product)
        results = await send_products(self._scope, some)
        references = [product.seller_product_reference for product in some]
        return results or await read_products_back(self._scope, references)

    async def add_reference(
        self,
        *,
        gtin: str,
        seller_product_reference: str,
        product_condition: ProductConditionName = ProductCondition.NEW,
    ) -> ProductResult:
        """Add your reference to a product that you or another seller registered already (documented).

        It is the same call as :meth:`create`, with the product's identity alone (assumed).

        Raises:
            ValidationError: the reference is invalid; nothing was sent.
            CallError: the call did not succeed; see ``outcome_unknown``.
        """
        product = FulfillmentProduct(
            gtin=gtin, seller_product_reference=seller_product_reference, product_condition=product_condition
        )
        for result in await self.create([product]):
            if result.seller_product_reference == seller_product_reference:
                return result
        return ProductResult(seller_product_reference=seller_product_reference, status=RegistrationStatus.UNCONFIRMED)

    def references(
        self, *, limit: int = 1000, resume_from: str | None = None, max_items: int | None = None
    ) -> Pager[SellerReference]:
        """List the seller's references (documented).

        ``limit`` is the size of a page, 1 to 1000. ``resume_from`` is the cursor to start at; ``max_items`` ends the
        list early.

        Raises:
            ValidationError: ``limit`` or ``max_items`` is out of range.
        """
        filters = ReferenceFilters(limit=limit, cursor=resume_from)
        return paginate(self._scope, LIST_REFERENCES, filters, max_items=max_items)


async def send_products(scope: SellerSession, products: Sequence[FulfillmentProduct]) -> list[ProductResult] | None:
    """Send products, without checks; return ``None`` when the API answers without results.

    It makes one call, or one call a product where the contract file says that the API takes no more.
    """
    one_each = scope.session.translation.max_items(CREATE_PRODUCTS) == 1
    results: list[ProductResult] = []
    silent: list[str] = []
    for some in [[product] for product in products] if one_each else [list(products)]:
        answer, _ = await scope.call(CREATE_PRODUCTS, body=some)
        if answer is None:
            silent += [product.seller_product_reference for product in some]
        else:
            results += answer.items
    if silent and results:
        return results + await read_products_back(scope, silent)
    return None if silent else results


async def read_products_back(scope: SellerSession, references: Sequence[str]) -> list[ProductResult]:
    """Return results from the list of references: ``Accepted`` if a reference is listed, else ``Unconfirmed``."""
    missing = set(references)
    async for known in Products(scope).references():
        missing.discard(known.seller_product_reference)
        if not missing:
            break
    return [
        ProductResult(
            seller_product_reference=reference,
            status=RegistrationStatus.UNCONFIRMED if reference in missing else RegistrationStatus.ACCEPTED,
        )
        for reference in references
    ]


def _listed(products: object) -> list[FulfillmentProduct]:
    if not isinstance(products, Iterable) or isinstance(products, str | bytes):
        problem = FieldProblem("products", products, f"is {type(products).__name__}, not products")
        raise ValidationError("products", problems=[problem])
    some = list(cast("Iterable[FulfillmentProduct]", products))
    if not some:
        raise ValidationError("products", problems=[FieldProblem("products", some, "holds none")])
    return some


def check_product(product: FulfillmentProduct) -> None:
    """Check a product before it is sent.

    Raises:
        ValidationError: the product is invalid; the error names all its problems.
    """
    check_type("product", product, FulfillmentProduct)
    if problems := product_problems(product):
        raise ValidationError("product", str(product.seller_product_reference), problems)


class RawProducts(RawResource):
    """The calls of ``client.products``; a list gives its first page."""

    @raw(Products.create)
    def create(self) -> None: ...

    @raw(Products.add_reference)
    def add_reference(self) -> None: ...

    @raw(Products.references)
    def references(self) -> None: ...
