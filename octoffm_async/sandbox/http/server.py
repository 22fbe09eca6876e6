"""The HTTP server: from a request to its operation, through the checks and the faults, to a response.

It uses aiohttp's low-level server: the route table comes from the contract, and routing, access log and middlewares of
an aiohttp application would double the cost of a request.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache, partial
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from octoffm_async.contract.openapi.export import openapi_document
from octoffm_async.contract.operations import Operation, Shape

from ..control.openapi import with_control_routes
from ..control.routes import ControlRoutes
from ..control.verbs import CONTROL_PATH
from ..faults import Fault, InjectedFault
from ..handlers.documents import load_library
from ..live_page.page import live_page_response
from ..settings import ResponseStyle
from ..spelling.contract_dialect import Dialect
from ..spelling.response_spelling import spelling_of
from ..state import SandboxState
from ..world.visibility import HiddenRows, refuse_hidden
from ..world.world import SellerAccount
from .call import API_PATH, IncomingRequest
from .checks import RequestChecks, bearer_token
from .fault_delivery import (
    HTML_200,
    UNAVAILABLE_HTML,
    StaleConnections,
    abort,
    apply_fault,
    http_date,
    response_of,
    send_huge,
    send_slowly,
    send_truncated,
    sleep_unless_stopped,
    wait_for_disconnect,
)
from .origins import check_control_request, is_loopback
from .rate_limit import rate_limit_problem
from .request_log import RequestRecord
from .request_reader import has_unread_body, named_query, receive_body
from .responses import HttpReply, ProblemError, json_reply
from .routes import TOKEN_PATH, MethodNotAllowed, Route, Router

OPENAPI_PATH = "/openapi.json"
MAX_TRACEPARENT = 55
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

_Performed = tuple[HttpReply, IncomingRequest | None]
_Process = Callable[..., _Performed]


class Server:
    """Handler of all requests. The sandbox sets ``origin`` once the port is known."""

    def __init__(
        self,
        state: SandboxState,
        *,
        style: ResponseStyle,
        rng: Random,
        monotonic: Callable[[], float],
        dialect: Dialect | None = None,
    ) -> None:
        self.origin = ""
        self.stopping: asyncio.Event = asyncio.Event()
        self._state = state
        self._gate = RequestChecks(world=state.world, tokens=state.tokens, limits=state.limits)
        self._control = ControlRoutes(state, monotonic)
        self._dialect = dialect
        self._router = Router() if dialect is None else Router(dialect.path)
        self._style = style
        self._spelling = spelling_of(style)
        self._rng = rng
        self._monotonic = monotonic
        self._stale = StaleConnections()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and record it."""
        at = self._monotonic()
        if self._stale.drop(request):
            return web.Response()
        if (aside := await self._aside(request)) is not None:
            return response_of(aside)
        requests = self._state.requests
        requests.begin()
        found = self._router.find(request.method, request.rel_url.raw_path)
        operation = found.operation if isinstance(found, Route) else None
        status = 0
        try:
            response = await self._answer(request, found, at)
            status = 0 if response is None else response.status
        finally:
            seller = request.headers.get("SellerId", "")
            group = None if operation is None else operation.group
            name = "" if operation is None else operation.name
            parent = request.headers.get("traceparent", "")[:MAX_TRACEPARENT]
            requests.end(RequestRecord(at, seller, group, name, status, parent))
        if response is None:  # after an abort the client cannot read this response, but aiohttp needs one
            return web.Response()
        if not response.prepared:
            response.headers["Date"] = http_date(int(self._state.world.clock.now().timestamp()))
        return response

    async def _aside(self, request: web.BaseRequest) -> HttpReply | None:
        """Return the response to a request outside the API: the live page, OpenAPI, a control request, another host."""
        path, host = request.path, request.headers.get("Host", "localhost")
        if not is_loopback(host):
            return json_reply({"error": f"the sandbox serves on loopback only, not as {host!r}"}, 421)
        if path == "/":
            allowed = request.method in {"GET", "HEAD"}
            return live_page_response() if allowed else HttpReply(405, headers={"Allow": "GET, HEAD"})
        if path == OPENAPI_PATH and request.method == "GET":
            return _description(self.origin, self._dialect)
        if not path.startswith(CONTROL_PATH):
            return None
        if (refusal := check_control_request(request.method, request.headers, host)) is not None:
            return json_reply({"error": refusal.reason}, refusal.status)
        return await self._control.answer(request.method, path, await request.read())

    async def _answer(
        self, request: web.BaseRequest, found: Route | MethodNotAllowed | None, at: float
    ) -> web.StreamResponse | None:
        match found:
            case None:
                return web.Response(status=404)
            case MethodNotAllowed(allowed):
                return web.Response(status=405, headers={"Allow": allowed})
            case Route(operation, handler):
                account = None
                try:
                    if handler is not None:
                        account = self._gate.admit(request.headers, operation, at)
                    body = await receive_body(request) if operation.method == "POST" else b""
                except ProblemError as problem:
                    response = response_of(self._problem(request, problem))
                    if has_unread_body(request):
                        response.force_close()
                    return response
                if operation.shape is Shape.DOCUMENT:
                    await load_library()
                process = partial(self._process, request, found, account, body)
                injected = self._state.faults.draw(operation)
                if injected is None:
                    return response_of(process()[0])
                return await self._struck(request, injected, process)

    def _process(
        self, request: web.BaseRequest, route: Route, account: SellerAccount | None, body: bytes, over_quota: int = 0
    ) -> _Performed:
        """Run the handler of a request. Without an await, it is processed as a whole or not at all."""
        call = None
        try:
            if route.handler is None or account is None:
                return self._state.tokens.grant(_form(request, body)), None
            _check_content_type(request, route.operation)
            call = self._call(request, route, account, body, over_quota)
            refuse_hidden(call)
            return self._said(route.handler(call), route.operation), call
        except ProblemError as problem:
            return self._problem(request, problem), call

    def _call(
        self, request: web.BaseRequest, route: Route, account: SellerAccount, body: bytes, over_quota: int
    ) -> IncomingRequest:
        return IncomingRequest(
            world=self._state.world,
            account=account,
            style=self._style,
            operation=route.operation,
            origin=self.origin,
            path=request.path,
            query=self._heard(request, route.operation),
            resource_id=route.item,
            body=body if self._dialect is None else self._dialect.body(route.operation, body),
            now=self._state.world.run_due_events(),
            over_quota=over_quota,
        )

    def _heard(self, request: web.BaseRequest, operation: Operation[Any]) -> dict[str, str]:
        """Return the query in the contract's names, whatever spelling the client uses."""
        query: Mapping[str, str] = request.query
        if self._dialect is not None:
            query = self._dialect.query(operation, query)
        query = named_query(query, operation.filters)
        return query if self._spelling is None else self._spelling.query(query)

    def _said(self, reply: HttpReply, operation: Operation[Any] | None = None) -> HttpReply:
        """Return a response in the spelling of the style and the contract file; the default needs no work."""
        if self._spelling is not None:
            reply = self._spelling.reply(operation, reply)
        return reply if self._dialect is None else self._dialect.reply(operation, reply)

    def _problem(self, request: web.BaseRequest, problem: ProblemError) -> HttpReply:
        trace, span = f"{self._rng.getrandbits(128):032x}", f"{self._rng.getrandbits(64):016x}"
        if parent := _TRACEPARENT.fullmatch(request.headers.get("traceparent", "")):
            trace = parent[1]  # a problem names the caller's own trace, as .NET does
        trace_id = f"00-{trace}-{span}-00"
        return self._said(problem.reply(instance=request.path, trace_id=trace_id))

    async def _struck(
        self, request: web.BaseRequest, injected: InjectedFault, process: _Process
    ) -> web.StreamResponse | None:
        """Return the response to a request that a fault hits; ``None`` if there is no response."""
        fault, value = injected
        if fault in (Fault.RESET_BEFORE, Fault.STALL):
            return await self._silence(request, fault)
        if fault is Fault.LATENCY:
            await sleep_unless_stopped(self.stopping, value)
        if (instead := self._instead(request, fault, value)) is not None:
            return response_of(instead)
        late = HiddenRows(self._state.world) if fault is Fault.LATE_VISIBILITY else None
        reply, call = process(over_quota=int(value) if fault is Fault.QUOTA_EXCEEDED else 0)
        if late is not None and call is not None:
            late.hide(call.account, call.now + timedelta(seconds=value))
        reply = apply_fault(fault, reply, call)
        match fault:
            case Fault.RESET_AFTER | Fault.STALL_AFTER:
                return await self._silence(request, fault)
            case Fault.TRUNCATED:
                return await send_truncated(request, reply)
            case Fault.HUGE:
                return await send_huge(request, reply, value)
            case Fault.SLOW_DRIP:
                return await send_slowly(request, reply, value, self.stopping)
            case _:
                if fault is Fault.STALE_KEEP_ALIVE:
                    self._stale.mark(request)
                return response_of(reply)

    async def _silence(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse | None:
        """Drop the connection, at once or, for a stall, when the client has disconnected."""
        if fault in (Fault.STALL, Fault.STALL_AFTER):
            await wait_for_disconnect(request, self.stopping)
        abort(request)
        return None

    def _instead(self, request: web.BaseRequest, fault: Fault, value: float) -> HttpReply | None:
        """Return the response that a fault gives instead of processing the request; ``None`` if there is none."""
        match fault:
            case Fault.THROTTLE:
                return self._problem(request, rate_limit_problem(value, self._state.retry_after))
            case Fault.ERROR_500:
                return self._problem(request, ProblemError(500, "An unexpected error occurred."))
            case Fault.TOKEN_EXPIRED:
                self._state.tokens.invalidate(bearer_token(request.headers))
                return self._problem(request, ProblemError(401, "The bearer token has expired."))
            case Fault.UNAVAILABLE_HTML:
                return UNAVAILABLE_HTML
            case Fault.HTML_200:
                return HTML_200
            case _:
                return None


@lru_cache(maxsize=8)
def _description(origin: str, dialect: Dialect | None) -> HttpReply:
    """Return the OpenAPI document of this sandbox: the contract and the control routes."""
    document = openapi_document(server=origin + API_PATH, token_url=origin + TOKEN_PATH)
    if dialect is not None:
        document |= dialect.document
    return json_reply(with_control_routes(document, origin))


def _check_content_type(request: web.BaseRequest, operation: Operation[Any]) -> None:
    if operation.method == "POST" and request.content_type != "application/json":
        raise ProblemError(415, f"The media type '{request.content_type}' is not supported; send application/json.")


def _form(request: web.BaseRequest, body: bytes) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(body.decode(errors="replace")))
