"""The live page: how it is served, and what a real browser makes of it."""

import struct
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from importlib.resources import files

import pytest

from octoffm_async.sandbox import Fault

from .api import Api, line
from .browser import Page, chromium, open_page, running_browser
from .conftest import Serve

needs_browser = pytest.mark.skipif(
    chromium() is None, reason="there is no Chromium here: apt-get install -y chromium (or your system's way) gets it"
)
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
    assert await browser.run("document.activeElement.getAttribute('aria-label')") == "Last 10 shipments"


@needs_browser
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("dark", [False, True])
async def test_it_fits_phones_and_desktops_in_both_colours(api: Api, browser: Page, width: int, dark: bool) -> None:
    for number in range(12):
        await api.order(f"ORDER-{number}-" + "LONG" * 9)
    await browser.resize(width, 800, dark=dark)
    await browser.open(api.sandbox.page_url)
    await browser.until("document.getElementById('latest').rows.length", 10)
    assert await browser.run("document.documentElement.scrollWidth") <= width
    colour = await browser.run("getComputedStyle(document.body).backgroundColor")
    assert colour == ("rgb(20, 24, 30)" if dark else "rgb(244, 245, 247)")
    picture = await browser.screenshot()
    assert struct.unpack(">I", picture[16:20])[0] in range(width - 20, width + 1)  # less a scroll bar
