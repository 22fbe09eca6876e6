"""Products: register them for the warehouse, read the seller's references back (API.md, 4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from ..contract.checks import FieldProblem
from ..contract.operations import CREATE_PRODUCTS, LIST_REFERENCES
from ..contract.products import (
    FulfillmentProduct,
    ProductCondition,
    ProductResult,
    ReferenceFilters,
    RegistrationStatus,
)
from ..contract.validation import product_problems
from ..errors import ValidationError, check_type
from ..session.paging import paginate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contract.products import SellerReference
    from ..session.paging import Pager
    from ..session.scope import Scope

UNCONFIRMED = RegistrationStatus("Unconfirmed")
"""Ours, not the API's: it took the call with an empty answer and the reference cannot be read back yet."""


class Products:
    """``client.products``."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def create(self, products: Iterable[FulfillmentProduct]) -> list[ProductResult]:
        """Register products, or add references to known ones, in one call of 1 to 100 (**D**; the number **A**).

        For more, and for outcomes item by item, use ``client.bulk.create_products``. An API that answers without
        results is believed only as far as the references can be read back; what cannot is ``Unconfirmed``.

        Raises:
            ValidationError: a product cannot be right; nothing was sent.
            CallError: the call did not succeed; see ``outcome_unknown``.
        """
        some = _listed(products)
        for product in some:
            check_product(product)
            self._scope.check_extra("product", product)
        results = await self.send(some)
        return results or await self.read_back([product.seller_product_reference for product in some])

    async def add_reference(
        self, *, gtin: str, seller_product_reference: str, product_condition: str = ProductCondition.NEW
    ) -> ProductResult:
        """Add your reference to a product that is registered already, by you or by somebody else (**D**).

        It is the same call as :meth:`create`, with the identity alone (**A**).

        Raises:
            ValidationError: the reference cannot be right; nothing was sent.
            CallError: the call did not succeed; see ``outcome_unknown``.
        """
        product = FulfillmentProduct(
            gtin=gtin, seller_product_reference=seller_product_reference, product_condition=product_condition
        )
        for result in await self.create([product]):
            if result.seller_product_reference == seller_product_reference:
                return result
        return ProductResult(seller_product_reference=seller_product_reference, status=UNCONFIRMED)

    def references(
        self, *, limit: int = 1000, resume_from: str | None = None, max_items: int | None = None
    ) -> Pager[SellerReference]:
        """The seller's references, ``limit`` a page (1 to 1000) (**D**).

        ``resume_from`` is the cursor to start at, ``max_items`` ends the list early.

        Raises:
            ValidationError: ``limit`` or ``max_items`` is out of range.
        """
        filters = ReferenceFilters(limit=limit, cursor=resume_from)
        return paginate(self._scope, LIST_REFERENCES, filters, max_items=max_items)

    async def send(self, products: Sequence[FulfillmentProduct]) -> list[ProductResult] | None:
        """Send products, without checks; return ``None`` when the API answers without results.

        It is one call, or one a product where the contract file says that the API takes no more.
        """
        one_each = self._scope.session.translation.most_items(CREATE_PRODUCTS) == 1
        results: list[ProductResult] = []
        silent: list[str] = []
        for some in [[product] for product in products] if one_each else [list(products)]:
            answer, _ = await self._scope.call(CREATE_PRODUCTS, body=some)
            if answer is None:
                silent += [product.seller_product_reference for product in some]
            else:
                results += answer.items
        if silent and results:
            return results + await self.read_back(silent)
        return None if silent else results

    async def read_back(self, references: Sequence[str]) -> list[ProductResult]:
        """Results from what can be read: ``Accepted`` where the reference is there, else ``Unconfirmed``."""
        missing = set(references)
        async for known in self.references():
            missing.discard(known.seller_product_reference)
            if not missing:
                break
        return [
            ProductResult(
                seller_product_reference=reference,
                status=UNCONFIRMED if reference in missing else RegistrationStatus.ACCEPTED,
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
    """Refuse a product that cannot be right.

    Raises:
        ValidationError: naming all its problems.
    """
    check_type("product", product, FulfillmentProduct)
    if problems := product_problems(product):
        raise ValidationError("product", str(product.seller_product_reference), problems)
