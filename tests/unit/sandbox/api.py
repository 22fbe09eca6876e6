"""A raw client of the sandbox: what is tested is what any HTTP client sees."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp

from octoffm_async.contract.requests.validation import gtin_check_digit
from octoffm_async.sandbox import Sandbox

FIRST = "12345"
SECOND = "98980"


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def next(self) -> str | None:
        """The target of the ``Link`` header."""
        link = self.headers.get("Link")
        return None if link is None else link[1 : link.index(">")]

    def is_problem(self, status: int) -> bool:
        problem = self.json
        return (
            self.status == status == problem["status"]
            and self.headers["Content-Type"].startswith("application/problem+json")
            and all(problem[name] for name in ("title", "detail", "instance", "traceId"))
        )


@dataclass
class Api:
    sandbox: Sandbox
    http: aiohttp.ClientSession
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    async def login(self) -> "Api":
        self.token = (await self.ask_token()).json["access_token"]
        self.headers = {"Authorization": f"Bearer {self.token}", "SellerId": FIRST, "Accept": "application/json"}
        return self

    def as_seller(self, seller: str) -> "Api":
        return Api(self.sandbox, self.http, self.token, {**self.headers, "SellerId": seller})

    def without(self, header: str) -> "Api":
        return self.with_headers(**{name: text for name, text in self.headers.items() if name != header})

    def with_headers(self, **headers: str) -> "Api":
        return Api(self.sandbox, self.http, self.token, headers)

    async def ask_token(self, **form: str) -> Answer:
        complete = {
            "grant_type": "client_credentials",
            "client_id": self.sandbox.client_id,
            "client_secret": self.sandbox.client_secret,
            **form,
        }
        async with self.http.post(self.sandbox.token_url, data=complete) as response:
            return Answer(response.status, response.headers, await response.read())

    async def call(self, method: str, path: str, **more: Any) -> Answer:
        """``path`` is under the base URL, or a ``Link``'s target under the origin, or a whole URL."""
        url = path if path.startswith("http") else self._url(path)
        async with self.http.request(
            method, url, headers={**self.headers, **more.pop("headers", {})}, **more
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    def _url(self, path: str) -> str:
        base = self.sandbox.base_url
        return base.removesuffix("/seller/v2") + path if path.startswith("/seller/v2") else base + path

    async def get(self, path: str, **query: object) -> Answer:
        params = {name: str(value) for name, value in query.items()}
        return await self.call("GET", path, params=params or None)

    async def post(self, path: str, body: object) -> Answer:
        return await self.call(
            "POST", path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )

    async def register(self, *products: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = await self.post("/fulfillment-products", products)
        assert answer.status == 202, answer.body
        items: list[dict[str, Any]] = answer.json["items"]
        return items

    async def references(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.get("/stock-seller-references")).json["items"]
        return items

    async def stock(self, reference: str) -> dict[str, Any]:
        row = next(row for row in await self.references() if row["sellerProductReference"] == reference)
        found: dict[str, Any] = (await self.get(f"/stocks/{row['stockId']}")).json
        return found

    async def order(self, reference: str = "ORDER-1", **changes: Any) -> str:
        answer = await self.post("/outbound-shipments", shipment(reference, **changes))
        assert answer.status == 201, answer.body
        key: str = answer.json["outboundShipmentId"]
        return key

    async def shipment(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.get(f"/outbound-shipments/{key}")).json
        return found

    async def walk(self, path: str, **query: object) -> list[list[Any]]:
        """All pages of a list, by its links."""
        answer = await self.get(path, **query)
        pages = [answer.json["items"]]
        while answer.next is not None:
            answer = await self.get(answer.next)
            pages.append(answer.json["items"])
        return pages


def gtin(number: int) -> str:
    body = f"3{number:011d}"
    return f"{body}{gtin_check_digit(body)}"


def product(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "gtin": gtin(number),
        "sellerProductReference": f"REF-{number}",
        "title": f"Article {number}",
        "productCondition": "New",
        "packaging": {"length": 10, "width": 5.5, "height": 2, "weight": 300},
        **changes,
    }


def line(reference: str = "REF-1", quantity: int = 1) -> dict[str, Any]:
    return {"sellerProductReference": reference, "quantity": quantity}


def shipment(reference: str = "ORDER-1", **changes: Any) -> dict[str, Any]:
    address = {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "addressLine1": "1 rue de la Paix",
        "postalCode": "75002",
        "city": "Paris",
        "countryCode": "FR",
    }
    return {
        "reference": reference,
        "lines": [line()],
        "deliveryAddress": address,
        "deliveryMode": "TrackedHomeDelivery",
        "storageCountry": "FR",
        **changes,
    }
