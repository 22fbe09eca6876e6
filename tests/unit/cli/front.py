"""A server in front of a sandbox, over real HTTP: it notes what it is sent and may change what is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from octoffm_async.sandbox import SandboxThread

Change = Callable[[Any], Any]
_OF_THE_WIRE = {"host", "content-length", "transfer-encoding", "content-encoding", "connection"}


class Taken(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    body: bytes


class Front:
    """``environment()`` leads a client here; ``answers`` changes JSON answers, ``requests`` the bodies sent on."""

    def __init__(self, sandbox: SandboxThread) -> None:
        self._behind = sandbox.environment()
        parts = urlsplit(self._behind["OCTOFFM_BASE_URL"])
        self._there = f"{parts.scheme}://{parts.netloc}"
        self._here = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.taken: list[Taken] = []
        self.answers: Change = lambda value: value
        self.requests: Change = lambda value: value

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def environment(self) -> dict[str, str]:
        return {name: value.replace(self._there, self._here) for name, value in self._behind.items()}

    def bodies(self, ending: str) -> list[Any]:
        """The bodies that were sent to a path that ends so."""
        return [msgspec.json.decode(one.body) for one in self.taken if one.path.endswith(ending) and one.body]

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._pass_on)
        self._session = aiohttp.ClientSession()
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._here = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _close(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.taken.append(Taken(request.method, request.path, body))
        with suppress(msgspec.DecodeError):
            body = msgspec.json.encode(self.requests(msgspec.json.decode(body)))
        headers = {name: text for name, text in request.headers.items() if name.lower() not in _OF_THE_WIRE}
        url = self._there + str(request.rel_url)
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            content = await answer.read()
            if answer.ok and not request.path.endswith("token"):
                with suppress(msgspec.DecodeError):
                    content = msgspec.json.encode(self.answers(msgspec.json.decode(content)))
            kept = {
                name: text.replace(self._there, self._here)
                for name, text in answer.headers.items()
                if name.lower() not in _OF_THE_WIRE | {"date", "server"}
            }
            return web.Response(status=answer.status, body=content, headers=kept)


def with_field(name: str, value: Any) -> Change:
    """Rows of a list, and single objects, with one more field."""

    def change(answer: Any) -> Any:
        rows = answer.get("items") if isinstance(answer, dict) else None
        for row in rows if isinstance(rows, list) else [answer]:
            if isinstance(row, dict):
                row[name] = value
        return answer

    return change
