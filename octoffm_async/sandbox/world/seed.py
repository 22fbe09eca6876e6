"""Initial products and stocks of a new sandbox."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from octoffm_async.contract.products import FulfillmentProduct
from octoffm_async.contract.requests.validation import gtin_check_digit

from ..handlers.products import add_product
from .stock_movements import add_stock, apply_movement
from .world import World


def fill_catalogue(world: World, rng: Random, *, products: int, stock: int) -> None:
    """Register ``products`` for the first seller, ``SKU-000001`` and so on, with ``stock`` items of each in FR.

    They exist from the beginning, and no request created them: the effects do not count them.
    """
    moment = world.run_due_events()
    account = world.account(None)
    first = rng.randrange(200_000_000_000, 800_000_000_000)
    for number in range(products):
        body = str(first + number)
        product = FulfillmentProduct(
            gtin=f"{body}{gtin_check_digit(body)}", seller_product_reference=f"SKU-{number + 1:06d}"
        )
        add_product(world, account, product, moment)
    if products and stock:
        add_stock(world, None, None, quantity=stock, country="FR")


def seed_stocks(
    world: World, seller: str | None, count: int, *, spread: float | Callable[[int], float], quantity: int
) -> None:
    """Register ``count`` products, ``SEED-0000001`` and so on, whose stocks changed in the past.

    :meth:`.Sandbox.seed_stocks` describes the parameters.
    """
    now = world.run_due_events()
    account = world.account(seller)
    newest, known = account.stocks.newest_change, len(account.references)
    for number in range(count):
        age = spread(number) if callable(spread) else spread * (count - number) / count
        moment = now - timedelta(seconds=age)
        if age < 0 or (newest is not None and moment < newest):
            raise ValueError(f"spread: stock {number} would be in the future, or older than the one before it")
        newest = moment
        body = str(800_000_000_000 + known + number)
        reference = f"SEED-{known + number + 1:07d}"
        product = FulfillmentProduct(gtin=f"{body}{gtin_check_digit(body)}", seller_product_reference=reference)
        add_product(world, account, product, moment)
        if quantity:
            row = account.references.get(reference)
            stock = None if row is None or row.stock_id is None else account.stocks.get(row.stock_id)
            if stock is not None:
                account.stocks.replace(
                    stock.id, apply_movement(stock, "FR", moment, "Inbound", available=quantity), moment
                )
