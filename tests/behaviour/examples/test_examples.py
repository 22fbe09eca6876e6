import csv
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.inside import gtin_check_digit

EXAMPLES = Path(__file__).parents[3] / "examples"
ORDER = {
    "reference": "ORDER-1",
    "lines": [{"product": "LAMP-1", "quantity": 1}],
    "address": {
        "first_name": "Jeanne",
        "last_name": "Martin",
        "address_line1": "12 quai de la Paix",
        "postal_code": "75011",
        "city": "Paris",
        "country_code": "FR",
    },
}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OCTOFFM_")}


def rows(name: str) -> list[dict[str, str]]:
    with (EXAMPLES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    """Base URL of the running web backend."""
    with subprocess.Popen(
        [sys.executable, EXAMPLES / "web_backend.py", "0"], env=environment(), stderr=subprocess.PIPE, encoding="utf-8"
    ) as running:
        assert running.stderr is not None
        try:
            started = next(match for line in running.stderr if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
            yield started[0]
        finally:
            running.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
            running.communicate(timeout=20)


def ask(url: str, body: object = None, **headers: str) -> tuple[int, dict[str, object]]:
    data = None if body is None else json.dumps(body).encode()
    named = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=20) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_backend_reports_stocks(backend):
    assert ask(f"{backend}/stocks/LAMP-1") == (200, {"reference": "LAMP-1", "available": 100})
    assert ask(f"{backend}/stocks/LAMP-2") == (404, {"error": "no stock of LAMP-2"})


def test_the_backend_takes_orders(backend):
    status, answer = ask(f"{backend}/orders", ORDER)
    assert (status, answer["reference"]) == (201, "ORDER-1")
    assert answer["shipment_id"]


def test_an_order_that_is_asked_for_again_is_sent_once(backend):
    again = ORDER | {"reference": "ORDER-2"}
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ask(f"{backend}/orders", again), range(4)))
    assert {status for status, _ in answers} == {201}
    assert len({str(answer["shipment_id"]) for _, answer in answers}) == 1
    status, answer = ask(f"{backend}/orders", again | {"lines": [{"product": "LAMP-1", "quantity": 2}]})
    assert (status, answer["fields"]) == (409, ["lines"])
    assert (answer["code"], answer["reference"]) == ("conflict", "ORDER-2")


def test_an_order_that_cannot_be_right_is_a_422_that_names_the_field(backend):
    status, answer = ask(f"{backend}/orders", ORDER | {"lines": []})
    assert status == 422
    assert answer["problems"] == [{"field": "lines", "reason": "a shipment needs at least one line"}]


def test_each_seller_sees_its_own(backend):
    assert ask(f"{backend}/stocks/LAMP-1", X_Seller_Id="98980")[0] == 404
    assert ask(f"{backend}/stocks/LAMP-1", X_Seller_Id="12345")[0] == 200
    assert ask(f"{backend}/stocks/LAMP-1", X_Seller_Id="a b")[0] == 400


@pytest.fixture
def errors(monkeypatch):
    """The backend's error handlers, by what they answer."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import web_backend

    async def answer(error):
        done = await web_backend.not_done(None, error)
        return done.status_code, dict(done.headers), json.loads(done.body)

    return answer


async def test_a_lost_answer_is_a_202_with_advice(errors):
    from octoffm_async import ConnectionLostError

    error = ConnectionLostError("lost")
    error.outcome_unknown = error.in_journal = True
    status, headers, body = await errors(error)
    assert (status, body["code"]) == (202, "outcome_unknown")
    assert (headers["content-type"], headers["retry-after"]) == ("application/problem+json", "5")
    assert "Send the very same request again" in body["detail"]


async def test_other_failures_say_whether_to_come_again(errors):
    from octoffm_async import NotFoundError, RateLimitedError, ServerError

    status, headers, _ = await errors(RateLimitedError("slow down", status=429, retry_after=2.2))
    assert (status, headers["retry-after"]) == (503, "3")
    assert (await errors(NotFoundError("none", status=404)))[0] == 404
    status, _, body = await errors(ServerError("down", status=503))
    assert (status, body["retryable"]) == (502, True)


def test_the_catalogue_is_as_the_readme_says():
    products = rows("catalogue.csv")
    assert len(products) == 200
    assert all(product["ean"].startswith("20") and len(product["ean"]) == 13 for product in products)
    wrong = [product for product in products if int(product["ean"][-1]) != gtin_check_digit(product["ean"][:-1])]
    assert len(wrong) == 1


def test_rows_of_one_order_follow_each_other():
    references = [order["reference"] for order in rows("orders.csv")]
    assert references == sorted(references)
    assert len(set(references)) == 20
