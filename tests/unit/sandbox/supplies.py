"""Supply orders as a raw client sends and reads them."""

from typing import Any

from .api import Api, line


def supply(reference: str = "SUPPLY-1", **changes: Any) -> dict[str, Any]:
    return {"reference": reference, "storageCountry": "FR", "lines": [line()], **changes}


async def create(api: Api, reference: str = "SUPPLY-1", **changes: Any) -> str:
    answer = await api.post("/inbound-shipments", supply(reference, **changes))
    assert answer.status == 201, answer.body
    key: str = answer.json["inboundShipmentId"]
    return key


async def read(api: Api, key: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/inbound-shipments/{key}")).json
    return found


async def references(api: Api, **query: object) -> list[str]:
    return [row["reference"] for page in await api.walk("/inbound-shipments", **query) for row in page]


async def count(api: Api, **query: object) -> int:
    answer = await api.get("/inbound-shipments/count", **query)
    assert answer.status == 200, answer.body
    number: int = answer.json["count"]
    return number
