"""A server that speaks a dialect, in front of a sandbox that does what is asked for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from octoffm_async import Config
from octoffm_async.sandbox import Sandbox, SandboxThread
from tests.support.inside import LoopThread

from .speech import PREFIX, NotInDialectError, Speech, dumps, plain_path

_ASKED = ("Authorization", "SellerId", "Accept", "Content-Type")
_KEPT_HEADERS = ("Content-Type", "Date", "Retry-After", "Content-Disposition", "Allow")
_OUTSIDE = (f"{PREFIX}/documents/", f"{PREFIX}/sellers")
"""What no contract file renames."""


class Speaking:
    """The server. ``refused`` tells what was not in its dialect, ``heard`` what came, in the contract's words."""

    def __init__(self, speech: Speech, thread: SandboxThread, sandbox: Sandbox) -> None:
        self.speech = speech
        self.thread = thread
        self.sandbox = sandbox
        self.refused: list[str] = []
        self.heard: defaultdict[str, list[Any]] = defaultdict(list)
        self.made: Callable[[str], object] | None = None
        """Called with an operation when it has created something, before its answer leaves."""
        self._behind = sandbox.base_url.removesuffix(PREFIX)
        self._http: aiohttp.ClientSession
        self._runner: web.ServerRunner
        self.origin = ""

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.origin = "http://{}:{}".format(*self._runner.addresses[0])

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._http.close()

    def config(self, **settings: Any) -> Config:
        addresses = {"base_url": self.origin + PREFIX, "token_url": self._moved(self.sandbox.token_url)}
        return self.sandbox.config(**addresses, **settings)

    def environment(self) -> dict[str, str]:
        return {name: self._moved(value) for name, value in self.sandbox.environment().items()}

    def _moved(self, url: str) -> str:
        return url.replace(self._behind, self.origin)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        path = request.rel_url.raw_path
        if not path.startswith(PREFIX) or path.startswith(_OUTSIDE):
            return await self._passed_on(request, body)
        route = self.speech.route(request.method, path)
        if route is None:
            self.refused.append(f"{request.method} {path}")
            return web.Response(status=404)
        try:
            query = self.speech.query(route, dict(request.query))
            said = self.speech.request(route, json.loads(body)) if body else None
        except (NotInDialectError, ValueError) as error:
            return self._refusal(error, request.path)
        self.heard[route.name].append(query if said is None else said)
        data = None if said is None else dumps(said)
        return await self._asked(route, request.headers, query, data)

    async def _asked(self, route: Any, headers: Mapping[str, str], query: Any, data: bytes | None) -> web.Response:
        url = URL(self._behind + plain_path(route), encoded=True).with_query(query)
        method = route.operation.method.upper()
        async with self._http.request(method, url, data=data, headers=_some(headers, _ASKED)) as answer:
            body = await answer.read()
        results = _some(answer.headers, _KEPT_HEADERS)
        if "Link" in answer.headers:
            results["Link"] = self.speech.link(route, answer.headers["Link"])
        if answer.content_type == "application/json":
            body = dumps(self.speech.answer(route, json.loads(body)))
        elif answer.content_type == "application/problem+json":
            body = dumps(self.speech.problem(route, json.loads(body)))
        if self.made is not None and method == "POST" and answer.ok:
            self.made(route.name)
        return web.Response(status=answer.status, body=body, headers=results)

    def _refusal(self, error: Exception, path: str) -> web.Response:
        self.refused.append(str(error))
        errors = {error.field: [error.reason]} if isinstance(error, NotInDialectError) else {"$": ["is not JSON"]}
        problem = {"title": "Bad Request", "status": 400, "detail": "Validation failed.", "instance": path}
        return web.Response(
            status=400, body=dumps(problem | {"errors": errors}), content_type="application/problem+json"
        )

    async def _passed_on(self, request: web.BaseRequest, body: bytes) -> web.Response:
        url = URL(self._behind + str(request.rel_url), encoded=True)
        async with self._http.request(
            request.method, url, data=body or None, headers=_some(request.headers, _ASKED)
        ) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), headers=_some(answer.headers, _KEPT_HEADERS)
            )


def _some(headers: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in names if name in headers}


@contextmanager
def speaking(speech: Speech, **settings: Any) -> Iterator[Speaking]:
    """A server of a dialect in a thread, before a sandbox whose clock only jumps."""
    loop = LoopThread()
    try:
        with SandboxThread(loop=loop, speed=0, seed=7, **settings) as thread:
            server = Speaking(speech, thread, thread.run(lambda sandbox: sandbox))
            loop.run(server.start())
            try:
                yield server
            finally:
                loop.run(server.stop())
    finally:
        loop.close()
