"""A real browser, driven over the DevTools protocol: Chromium without a window, a page of its own for each test."""

import asyncio
import itertools
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
START = 30.0  # seconds that the browser gets to come up
KEYS = {"Tab": 9, "Enter": 13}


def chromium() -> str | None:
    """The path of an installed Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


class Page:
    """One page of the browser. ``errors`` holds what its console and its script complained about."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.errors: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        """Take answers and events until the connection ends."""
        async for message in self._socket:
            payload = message.json()
            if (answer := self._answers.pop(payload.get("id", 0), None)) is not None:
                if not answer.done():
                    answer.set_result(payload)
            else:
                self._note(payload["method"], payload["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Runtime.exceptionThrown":
                self.errors.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                self.errors.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            case "Page.javascriptDialogOpening":
                self.errors.append(f"dialog: {params['message']}")
            case _:
                pass

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(20):
            payload = await answer
        if "error" in payload:
            raise RuntimeError(f"{method}: {payload['error']}")
        result: dict[str, Any] = payload["result"]
        return result

    async def open(self, url: str) -> None:
        """Go to an address."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.command(f"{domain}.enable")
        failure = (await self.command("Page.navigate", url=url)).get("errorText")
        if failure:
            raise RuntimeError(f"{url}: {failure}")
        await self.until("document.readyState", "complete")

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        payload = await self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in payload:
            raise RuntimeError(str(payload["exceptionDetails"]))
        return payload["result"].get("value")

    async def until(self, script: str, expected: object, seconds: float = 10.0) -> None:
        """Wait until an expression has a value."""
        seen: object = None
        try:
            async with asyncio.timeout(seconds):
                while (seen := await self.run(script)) != expected:  # noqa: ASYNC110  (a page has no event to await)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{script} is {seen!r}, not {expected!r}; errors: {self.errors}") from None

    async def text(self, selector: str) -> str:
        """The visible text of one element."""
        found: str = await self.run(f"document.querySelector({selector!r}).innerText")
        return found

    async def click(self, selector: str) -> None:
        """Click in the middle of an element, as a mouse does."""
        x, y = await self.run(
            f"(() => {{ const e = document.querySelector({selector!r});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def fill(self, selector: str, text: str) -> None:
        """Type a text into a field, in place of what it held; a list to choose from takes one of its values."""
        await self.run(f"(e => {{ e.focus(); e.select?.(); }})(document.querySelector({selector!r}))")
        if await self.run("document.activeElement.tagName") == "SELECT":
            await self.run(f"document.activeElement.value = {text!r}")
        else:
            await self.command("Input.insertText", text=text)
        held = await self.run("document.activeElement.value")
        assert held == text, f"{selector} holds {held!r}"

    async def press(self, key: str) -> None:
        """Press a key and let it go."""
        more = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            await self.command(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key], **more
            )

    async def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the page a size, and light or dark colours."""
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.command("Emulation.setEmulatedMedia", features=scheme)

    async def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        shot = await self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return b64decode(shot["data"])


@contextmanager
def running_browser(folder: Path) -> Iterator[int]:
    """A browser with a new profile in ``folder``, which ends with the block; gives the port that it is driven by."""
    path = chromium()
    if path is None:
        raise RuntimeError("there is no Chromium")
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [path, *FLAGS, f"--user-data-dir={folder}", "about:blank"], stdin=quiet, stdout=quiet, stderr=quiet
    ) as browser:
        try:
            yield _port(folder)
        finally:
            browser.terminate()
            try:
                browser.wait(10)
            except subprocess.TimeoutExpired:
                browser.kill()


@asynccontextmanager
async def open_page(port: int) -> AsyncIterator[Page]:
    """A page of its own in that browser; it is closed with the block."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        async with http.put("/json/new?about:blank") as response:
            target = await response.json(content_type=None)
        async with http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            yield page
            listening.cancel()
        async with http.get(f"/json/close/{target['id']}") as response:
            assert response.status == 200


def _port(folder: Path) -> int:
    """The port that the browser has chosen; it writes it into its profile."""
    port_file = folder / "DevToolsActivePort"
    ends = time.monotonic() + START
    while time.monotonic() < ends:
        lines = port_file.read_text().splitlines() if port_file.exists() else []
        if len(lines) >= 2:
            return int(lines[0])
        time.sleep(0.05)
    raise TimeoutError("the browser does not come up")
