"""Input of the demo: a catalogue file or made-up products, and made-up orders. Nothing is held as a list."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Protocol

from ...contract.common import ShipmentLine
from ...contract.outbound import DeliveryAddress, DeliveryMode, OutboundShipmentRequest
from ...contract.products import FulfillmentProduct, Packaging
from ...contract.requests.validation import gtin_check_digit
from ...tabular.item_file import read_products

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

UNKNOWN_PRODUCT = "NO-SUCH-PRODUCT"
"""The product in the deliberately wrong orders: the API accepts them and refuses them later."""
_ONE_WRONG_IN = 50

_THINGS = ("Coffee grinder", "Desk lamp", "Étagère murale", "Wasserkocher", "Manta de lana", "Theepot", "Spazzola")
_KINDS = ("oak", "blue", "steel", "XL", "mini", "compact", "bamboo", "recycled")
_PEOPLE = (("Jeanne", "Martin"), ("Luis", "García"), ("Anke", "de Vries"), ("Zoë", "Müller"), ("Aoife", "Byrne"))
_PLACES = (("75011", "Paris"), ("69003", "Lyon"), ("33000", "Bordeaux"), ("59800", "Lille"), ("44000", "Nantes"))


class DemoInput(Protocol):
    """Products to register, as many times as needed."""

    def products(self) -> Iterator[FulfillmentProduct]:
        """Yield the products, each once."""
        ...

    def references(self) -> Iterator[str]:
        """Yield the references of the products, in the same order."""
        ...

    def settle(self, key: str, reason: str) -> None:
        """Report a product that was yielded and not registered, if there is a reason; call this for each outcome."""
        ...

    def close(self) -> None:
        """Close the input, and what was reported."""
        ...

    @property
    def reported(self) -> int:
        """Rows that were reported, for whatever reason."""
        ...

    @property
    def rows(self) -> int:
        """Rows read so far."""
        ...

    @property
    def rejected(self) -> int:
        """Rows read that were not yielded."""
        ...

    @property
    def share(self) -> float:
        """The fraction of the input that was yielded, from 0 to 1."""
        ...


class CatalogueFile:
    """Products of a file; rows that cannot be sent, or are refused, go to the rejects file."""

    def __init__(self, path: Path, mapping: Mapping[str, str], values: Mapping[str, str], rejects: Path) -> None:
        self._read = partial(read_products, path, mapping=mapping, values=values)
        self._items = self._read(rejects=rejects, keep=True)
        self._refused = 0

    def products(self) -> Iterator[FulfillmentProduct]:
        return self._items

    def references(self) -> Iterator[str]:
        return (product.seller_product_reference for product in self._read())

    def settle(self, key: str, reason: str) -> None:
        if reason:
            self._items.reject(key, reason)
            self._refused += 1
        else:
            self._items.release(key)

    def close(self) -> None:
        self._items.close()

    @property
    def rows(self) -> int:
        return self._items.rows

    @property
    def rejected(self) -> int:
        return self._items.rejected

    @property
    def reported(self) -> int:
        return self._items.rejected + self._refused

    @property
    def share(self) -> float:
        return self._items.share


class MadeUpProducts:
    """A number of made-up products, with GTINs of the range that GS1 reserves for shops (2…)."""

    rejected = 0

    def __init__(self, count: int, *, seed: int) -> None:
        self._count = count
        self._seed = seed
        self.rows: int = 0
        self.reported: int = 0

    def products(self) -> Iterator[FulfillmentProduct]:
        rng = Random(self._seed)
        for number in range(1, self._count + 1):
            self.rows = number
            yield _made_up_product(number, rng)

    def references(self) -> Iterator[str]:
        return (_reference(number) for number in range(1, self._count + 1))

    def settle(self, key: str, reason: str) -> None:  # noqa: ARG002  (the protocol's)
        self.reported += bool(reason)

    def close(self) -> None:
        pass

    @property
    def share(self) -> float:
        return self.rows / self._count


class Sample:
    """A fixed number of keys, drawn evenly from a stream of any length (reservoir sampling)."""

    def __init__(self, size: int, rng: Random) -> None:
        self.keys: list[str] = []
        self._size = size
        self._rng = rng
        self._seen = 0

    def add(self, key: str) -> None:
        """Consider ``key`` for the sample."""
        self._seen += 1
        if len(self.keys) < self._size:
            self.keys.append(key)
        elif (place := self._rng.randrange(self._seen)) < self._size:
            self.keys[place] = key


def made_up_orders(count: int, references: Sequence[str], rng: Random) -> Iterator[OutboundShipmentRequest]:
    """Yield ``count`` orders of one to three of the products; one in fifty names a product that does not exist."""
    for number in range(1, count + 1):
        names = rng.sample(references, k=min(len(references), rng.randint(1, 3)))
        if is_wrong(number, count):
            names[-1] = UNKNOWN_PRODUCT
        lines = [ShipmentLine(seller_product_reference=name, quantity=rng.randint(1, 3)) for name in names]
        yield OutboundShipmentRequest(
            reference=f"DEMO-{number:06d}",
            lines=lines,
            delivery_address=_made_up_address(rng),
            delivery_mode=DeliveryMode.TRACKED_HOME,
            storage_country="FR",
        )


def is_wrong(number: int, count: int) -> bool:
    """Return True for a deliberately wrong order; of fewer than fifty, the last one is."""
    return number % _ONE_WRONG_IN == 0 or number == count < _ONE_WRONG_IN


def _reference(number: int) -> str:
    return f"DEMO-{number:08d}"


def _made_up_product(number: int, rng: Random) -> FulfillmentProduct:
    body = f"2{number:011d}"
    return FulfillmentProduct(
        gtin=f"{body}{gtin_check_digit(body)}",
        seller_product_reference=_reference(number),
        title=f"{rng.choice(_THINGS)}, {rng.choice(_KINDS)}, no. {number}",
        packaging=Packaging(
            length_cm=rng.randint(10, 60), width_cm=rng.randint(5, 40), height_cm=rng.randint(2, 30), weight_g=500
        ),
    )


def _made_up_address(rng: Random) -> DeliveryAddress:
    first, last = rng.choice(_PEOPLE)
    postal_code, city = rng.choice(_PLACES)
    return DeliveryAddress(
        first_name=first,
        last_name=last,
        address_line1=f"{rng.randint(1, 120)} rue de l'Exemple",
        postal_code=postal_code,
        city=city,
        country_code="FR",
    )
