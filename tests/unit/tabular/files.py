"""Small files with what people's files have in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from octoffm_async.tabular.column_plan import header_fits, plan_for
from octoffm_async.tabular.formats.open import open_table
from octoffm_async.tabular.item_reader import ItemReader, RejectedItem
from octoffm_async.tabular.item_types import ItemType

GOOD = "4006381333931"
OTHER = "96385074"

ORDER_HEADER = (
    "reference,seller_product_reference,quantity,first_name,last_name,address_line1,postal_code,city,country_code"
)
ORDER_VALUES = {"delivery_mode": "TrackedHomeDelivery", "storage_country": "FR"}


def order_row(reference: str, product: str = "P-1", quantity: object = 1, city: str = "Paris") -> str:
    return f"{reference},{product},{quantity},Zoé,Müller,1 rue Été,75011,{city},FR"


def read(path: Path, target: ItemType, **settings: Any) -> tuple[list[Any], list[RejectedItem]]:
    """The items of a file, and what was not taken."""
    faulty: list[RejectedItem] = []
    items = reading(path, target, faulty.append, **settings)
    return list(items), faulty


def reading(path: Path, target: ItemType, on_faulty: Callable[[RejectedItem], None], **settings: Any) -> ItemReader:
    """A reading of a file that has not begun."""
    how = {name: settings.pop(name) for name in ("delimiter", "encoding", "sheet") if name in settings}
    mapping, values = settings.pop("mapping", {}), settings.pop("values", {})
    table = open_table(path, fits=header_fits(target, mapping, values), **how)
    return ItemReader(table, plan_for(table, target, mapping, values, settings.pop("options", None)), on_faulty)


def problem_texts(faulty: list[RejectedItem]) -> list[str]:
    return [str(problem) for one in faulty for problem in one.problems]
