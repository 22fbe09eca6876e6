"""Products to begin with, so that a newcomer has something to look at."""

from random import Random

from octoffm_async.contract.products import FulfillmentProduct
from octoffm_async.contract.validation import gtin_check_digit

from .movements import add_stock
from .products import enter_product
from .world import World


def fill_catalogue(world: World, rng: Random, *, products: int, stock: int) -> None:
    """Register ``products`` for the first seller, ``SKU-000001`` and so on, with ``stock`` items of each in FR.

    They are there from the beginning and no call created them: effects do not count them.
    """
    moment = world.settle()
    account = world.account(None)
    first = rng.randrange(200_000_000_000, 800_000_000_000)
    for number in range(products):
        body = str(first + number)
        product = FulfillmentProduct(
            gtin=f"{body}{gtin_check_digit(body)}", seller_product_reference=f"SKU-{number + 1:06d}"
        )
        enter_product(world, account, product, moment)
    if products and stock:
        add_stock(world, None, None, quantity=stock, country="FR")
