"""The live page: how it is served, and what a real browser makes of it."""

import struct
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from importlib.resources import files

import pytest

from octoffm_async.sandbox import Fault
from octoffm_async.sandbox.control.verbs import CONTROL_ROUTES

from ..api import SECOND, Api, line, product
from ..browser import Page, chromium, open_page, running_browser
from ..conftest import Serve
from ..supplies import create, read

needs_browser = pytest.mark.skipif(
    chromium() is None, reason="there is no Chromium here: apt-get install -y chromium (or your system's way) gets it"
)
ORDERS = ["stock", "receive", "clock", "fault", "no-faults", "limit", "no-limit"]
EVIL = "<img src=x onerror=alert(1)>"


async def test_it_is_one_page_under_a_strict_policy(api: Api) -> None:
    answer = await api.with_headers().get(api.sandbox.page_url)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["script-src"].startswith("'sha256-")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_it_is_read_only_and_not_counted(api: Api) -> None:
    total = api.sandbox.requests.total
    head = await api.call("HEAD", api.sandbox.page_url)
    assert (head.status, head.body) == (200, b"")
    assert (await api.call("POST", api.sandbox.page_url)).status == 405
    assert api.sandbox.requests.total == total


def test_it_needs_nothing_from_elsewhere_and_writes_no_markup() -> None:
    text = (files("octoffm_async.sandbox") / "page.html").read_text("utf-8")
    for forbidden in ("src=", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval("):
        assert forbidden not in text, forbidden


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running_browser(tmp_path_factory.mktemp("browser")) as port:
        yield port


@pytest.fixture
async def browser(port: int) -> AsyncIterator[Page]:
    async with open_page(port) as page:
        yield page


def count(name: str, status: str) -> str:
    """The number that stands behind a status."""
    return (
        f"[...document.querySelectorAll('#{name} dt')].find(e => e.textContent === '{status}')?.nextSibling.textContent"
    )


CUT_OFF = """[...document.querySelectorAll("form *")].filter(e => e.scrollWidth > e.clientWidth + 1
    && getComputedStyle(e).display !== "inline" && e.tagName !== "INPUT").map(e => e.outerHTML)"""
"""Parts of a form that are wider than the room they have."""


@needs_browser
async def test_numbers_follow_life_and_the_clock_can_be_driven(serve: Serve, browser: Page) -> None:
    api = await serve(catalogue=3, stock=50)
    await browser.open(api.sandbox.page_url)
    await browser.until(count("stock", "Available"), "150")
    await browser.until(count("outbound", "Created"), "0")
    for number in range(4):
        await api.order(f"ORDER-{number}", lines=[line("SKU-000001", 2)])
    await browser.until(count("outbound", "Created"), "4")
    await browser.until("document.querySelector('#latest td:nth-child(2)').textContent", "ORDER-3")
    await browser.until("document.querySelector('#recent td:nth-child(3)').textContent", "outbound.create")
    await browser.click("[data-advance='3600']")
    await browser.until(count("outbound", "Shipped"), "4")
    await browser.until(count("stock", "Available"), "142")
    assert browser.errors == []


@needs_browser
async def test_text_from_outside_never_becomes_markup(serve: Serve, browser: Page) -> None:
    api = await serve(sellers=("12345", EVIL))
    await browser.open(api.sandbox.page_url)
    await api.order(EVIL)
    await api.as_seller(EVIL).get("/stocks", limit=1)
    await browser.until("document.querySelector('#latest td:nth-child(2)')?.textContent", EVIL)
    await browser.until("document.querySelector('#recent td:nth-child(2)').textContent", EVIL)
    assert await browser.run("document.querySelectorAll('main img').length") == 0
    assert browser.errors == []


@needs_browser
async def test_the_policy_stops_script_that_is_not_the_pages_own(api: Api, browser: Page) -> None:
    await browser.open(api.sandbox.page_url)
    await browser.run(
        "document.addEventListener('securitypolicyviolation', event => { window.stopped = event.effectiveDirective })"
    )
    await browser.run(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hacked = true'}))"
    )
    await browser.until("window.stopped", "script-src-elem")
    assert await browser.run("window.hacked === undefined")


@needs_browser
async def test_faults_and_throttling_are_shown(serve: Serve, browser: Page) -> None:
    api = await serve(limit=(1, 3600.0))
    await browser.open(api.sandbox.page_url)
    await browser.until("document.getElementById('faults').innerText", "None.")
    api.sandbox.faults.next(Fault.RESET_AFTER, operation="outbound.create", times=3)
    await browser.until("document.getElementById('faults').innerText", "RESET_AFTER: next 3 calls of outbound.create")
    for _ in range(3):
        await api.get("/stocks", limit=1)
    await browser.until(count("traffic", "Answered 429"), "2")
    await browser.until("document.querySelectorAll('#pace rect.throttled').length", 1)
    assert "2 answered 429" in await browser.text("#pace-text")
    assert browser.errors == []


@needs_browser
async def test_it_says_that_the_sandbox_is_gone_and_when_it_is_back(api: Api, browser: Page) -> None:
    await browser.open(api.sandbox.page_url)
    await browser.until(count("outbound", "Created"), "0")
    assert await browser.run("document.getElementById('gone').hidden")
    await api.sandbox.stop()
    await browser.until("document.getElementById('gone').hidden", expected=False)
    assert "does not answer any more" in await browser.text("#gone")
    assert await browser.run("[...document.querySelectorAll('button')].every(button => button.disabled)")
    await api.sandbox.start()
    await browser.until("document.getElementById('gone').hidden", expected=True)
    assert await browser.run("[...document.querySelectorAll('button')].every(button => !button.disabled)")


@needs_browser
async def test_it_can_be_used_with_the_keyboard(api: Api, browser: Page) -> None:
    await browser.open(api.sandbox.page_url)
    await browser.until(count("outbound", "Created"), "0")
    before = api.sandbox.clock.now()
    await browser.press("Tab")
    await browser.press("Tab")
    assert await browser.run("document.activeElement.textContent") == "Advance 1 day"
    assert await browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await browser.press("Enter")
    await browser.until(
        "document.getElementById('now').dateTime.slice(0, 10)", (before + timedelta(days=1)).date().isoformat()
    )
    await browser.press("Tab")
    assert await browser.run("document.activeElement.id") == "quantity"
    seen = []
    for _ in range(21):
        await browser.press("Tab")
        seen.append(await browser.run("document.activeElement.dataset.order || document.activeElement.ariaLabel"))
        assert await browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert [name for name in seen if name] == [*ORDERS, "Last 10 shipments", "Last 50 requests"]


@needs_browser
@pytest.mark.parametrize("width", [360, 390, 1280])
@pytest.mark.parametrize("dark", [False, True])
async def test_it_fits_phones_and_desktops_in_both_colours(api: Api, browser: Page, width: int, dark: bool) -> None:
    for number in range(12):
        await api.order(f"ORDER-{number}-" + "LONG" * 9)
    await browser.resize(width, 800, dark=dark)
    await browser.open(api.sandbox.page_url)
    await browser.until("document.getElementById('latest').rows.length", 10)
    await browser.run("document.querySelector('details').open = true")
    await browser.until("document.querySelectorAll('#routes tr').length", len(CONTROL_ROUTES))
    assert await browser.run("document.documentElement.scrollWidth") <= width
    assert await browser.run(CUT_OFF) == []
    colour = await browser.run("getComputedStyle(document.body).backgroundColor")
    assert colour == ("rgb(20, 24, 30)" if dark else "rgb(244, 245, 247)")
    picture = await browser.screenshot()
    assert struct.unpack(">I", picture[16:20])[0] in range(width - 20, width + 1)  # less a scroll bar


def button(order: str) -> str:
    return f"[data-order='{order}']"


def field(order: str, name: str) -> str:
    """A field of the form that gives an order."""
    return f"form:has({button(order)}) [name={name}]"


async def says(browser: Page, order: str, text: str, kind: str = "good") -> None:
    """Wait for what a form says of its order."""
    await browser.until(
        f"(e => e.className + ': ' + e.textContent)(document.querySelector(\"form:has({button(order)}) output\"))",
        f"{kind}: {text}",
    )


async def open_drawn(api: Api, browser: Page) -> None:
    """Open the page and wait until all of it is there: what is drawn later would move a button under the mouse."""
    await browser.open(api.sandbox.page_url)
    await browser.until(count("outbound", "Created"), "0")


EMPTY = "document.getElementById('empty').innerText"


@needs_browser
async def test_a_newcomer_is_shown_how_to_get_stock_and_gets_it(api: Api, browser: Page) -> None:
    await open_drawn(api, browser)
    await browser.until(f"{EMPTY}.slice(0, 15)", "No product yet:")
    await browser.click(button("stock"))
    await says(browser, "stock", "Seller 12345 has no product yet: register one first.", "bad")
    await api.register(product(1), product(2))
    await browser.until(EMPTY, "No stock yet, so every order is refused: put some here, or POST /_sandbox/stock.")
    refused = await api.order("EARLY")
    await browser.click("[data-order='clock']")
    await browser.until("document.querySelector('#latest td:last-child').innerText", "Refused\nno stock: put some")
    assert (await api.shipment(refused))["refusal"]["code"] == "InsufficientStock"
    await browser.click("#latest a")
    assert await browser.run("document.activeElement.id") == "quantity"
    await browser.fill("#quantity", "7")
    await browser.press("Enter")
    await says(browser, "stock", "2 products have 7 items more in FR.")
    await browser.until(count("stock", "Available"), "14")
    await browser.until(EMPTY, "")
    await api.order("LATER")
    await browser.click("[data-order='clock']")
    await browser.until(count("outbound", "Shipped"), "1")
    assert browser.errors == []


@needs_browser
async def test_stock_goes_where_the_form_says(api: Api, browser: Page) -> None:
    await api.register(product(1), product(2))
    await api.as_seller(SECOND).register(product(3))
    await open_drawn(api, browser)
    await browser.fill(field("stock", "reference"), "REF-2")
    await browser.fill(field("stock", "country"), "ES")
    await browser.click(button("stock"))
    await says(browser, "stock", "1 product has 10 items more in ES.")
    (part,) = (await api.stock("REF-2"))["localizations"]
    assert part["storageCountry"] == "ES"
    assert (await api.stock("REF-1"))["localizations"] == []
    await browser.fill(field("stock", "seller"), SECOND)
    await browser.click(button("stock"))
    await says(browser, "stock", f"reference = 'REF-2': seller {SECOND} has not registered it", "bad")
    await browser.fill(field("stock", "quantity"), "0")
    total = await browser.run(count("stock", "Available"))
    await browser.click(button("stock"))
    assert await browser.run("document.querySelector('#quantity').validity.rangeUnderflow")
    assert await browser.run(count("stock", "Available")) == total


@needs_browser
async def test_supply_orders_are_received_at_once_or_by_the_clock(api: Api, browser: Page) -> None:
    await api.register(product(1))
    await api.as_seller(SECOND).register(product(1))
    await open_drawn(api, browser)
    await browser.click(button("receive"))
    await says(browser, "receive", "No supply order is on its way.")
    before = api.sandbox.clock.now()
    keys = [await create(api, lines=[line(quantity=9)]), await create(api, lines=[line("NONE")])]
    other = await create(api.as_seller(SECOND))
    await browser.fill(field("receive", "seller"), "12345")
    await browser.click(button("receive"))
    await says(browser, "receive", "1 supply order: Received. 1 supply order: Refused.")
    assert [(await read(api, key))["status"] for key in keys] == ["Received", "Refused"]
    assert (await read(api.as_seller(SECOND), other))["status"] == "Created"
    assert api.sandbox.clock.now() == before
    await browser.until(count("stock", "Available"), "9")
    await browser.fill(field("clock", "advance"), "30")
    await browser.click(button("clock"))
    await says(browser, "clock", "The clock went 30 seconds ahead.")
    assert (await read(api.as_seller(SECOND), other))["status"] == "Received"
    await browser.until(count("stock", "Available"), "10")
    assert browser.errors == []


@needs_browser
async def test_a_fault_is_injected_and_cleared(api: Api, browser: Page) -> None:
    await open_drawn(api, browser)
    await browser.fill(field("fault", "fault"), "ERROR_500")
    await browser.fill(field("fault", "operation"), "stocks.list")
    await browser.fill(field("fault", "times"), "2")
    await browser.click(button("fault"))
    await says(browser, "fault", "ERROR_500 hits the next 2 calls of stocks.list.")
    await browser.until("document.getElementById('faults').innerText", "ERROR_500: next 2 calls of stocks.list")
    statuses = [
        (await api.get(path, limit=1)).status for path in ("/stocks", "/inbound-shipments", "/stocks", "/stocks")
    ]
    assert statuses == [500, 200, 500, 200]
    await browser.fill(field("fault", "operation"), "")
    await browser.click(button("fault"))
    await says(browser, "fault", "ERROR_500 hits the next 2 calls.")
    await browser.click(button("no-faults"))
    await says(browser, "fault", "No fault any more.")
    assert (await api.get("/inbound-shipments", limit=1)).status == 200


@needs_browser
async def test_a_limit_is_set_and_cleared(api: Api, browser: Page) -> None:
    now = "document.getElementById('limit').textContent"
    await open_drawn(api, browser)
    await browser.until(now, "Now: no limit")
    await browser.fill(field("limit", "requests"), "2")
    await browser.fill(field("limit", "seconds"), "3600")
    await browser.fill(field("limit", "retry_after"), "seconds")
    await browser.click(button("limit"))
    await says(browser, "limit", "The limit is set.")
    await browser.until(now, "Now: 2 in 3,600 s; Retry-After: seconds")
    answers = [await api.get("/stocks", limit=1) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert 3590 <= int(answers[2].headers["Retry-After"]) <= 3600
    await browser.click(button("no-limit"))
    await says(browser, "limit", "No limit any more.")
    await browser.until(now, "Now: no limit")
    assert (await api.get("/stocks", limit=1)).status == 200


@needs_browser
async def test_a_control_says_that_the_sandbox_did_not_answer(api: Api, browser: Page) -> None:
    await open_drawn(api, browser)
    await api.sandbox.stop()
    await browser.run(
        f'document.querySelector("{button("receive")}").form.requestSubmit('
        f'document.querySelector("{button("receive")}"))'
    )
    await says(browser, "receive", "The sandbox did not answer.", "bad")


@needs_browser
async def test_a_page_of_another_origin_drives_nothing(serve: Serve, api: Api, browser: Page) -> None:
    """The worst that such a page can do without being asked for leave: requests of a form's types."""
    other = await serve()
    before = api.sandbox.clock.now()
    await browser.open(other.sandbox.page_url.replace("127.0.0.1", "localhost") + "openapi.json")
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        await browser.run(
            f"fetch('{api.sandbox.control_url}/clock', {{method: 'POST', mode: 'no-cors', body: '{{\"advance\": 9}}',"
            f" headers: {{'Content-Type': '{kind}'}}}}).then(() => true)"
        )
    assert any("403" in error for error in browser.errors)
    assert api.sandbox.clock.now() == before
