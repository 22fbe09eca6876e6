"""What the tests of returns share: shipped parcels, and the calls on returns."""

from typing import Any

from .api import Answer, Api, line, product

AGE = 86_400.0  # seconds after which every return is completed


async def stocked(api: Api, *countries: str) -> Api:
    """Products REF-1 and REF-2 with 100 items each in each country."""
    await api.register(product(1), product(2))
    for country in countries or ("FR",):
        api.sandbox.add_stock(quantity=100, country=country)
    return api


async def shipped(api: Api, *lines: dict[str, Any], reference: str = "ORDER-1", country: str = "FR") -> str:
    """The id of a shipment that has just left."""
    key = await api.order(reference, lines=list(lines or (line("REF-1", 3),)), storageCountry=country)
    api.sandbox.clock.advance(30)
    found = await api.shipment(key)
    assert found["status"] == "Shipped", found["refusal"]
    return key


async def announce(api: Api, shipment_id: str | None, *lines: dict[str, Any], **more: Any) -> Answer:
    body = {"outboundShipmentId": shipment_id, "reason": "Retraction", "lines": list(lines or (line("REF-1", 1),))}
    return await api.post("/returns", {**body, **more})


async def announced(api: Api, shipment_id: str | None, *lines: dict[str, Any], **more: Any) -> str:
    answer = await announce(api, shipment_id, *lines, **more)
    assert answer.status == 201, answer.body
    key: str = answer.json["returnId"]
    return key


async def the_return(api: Api, key: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/returns/{key}")).json
    return found


async def quantities(api: Api, reference: str = "REF-1") -> dict[str, int]:
    """The quantities of a product that are not zero."""
    found: dict[str, int] = (await api.stock(reference))["quantities"]
    return {name: quantity for name, quantity in found.items() if quantity}
