"""A transport without a wire, for tests of the pipeline: answers are scripted, time is the loop's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from multidict import CIMultiDict

from octoffm_async import Config
from octoffm_async.contract.contract_file.model import ContractFile
from octoffm_async.contract.contract_file.translation import Translation
from octoffm_async.session.decoding.answers import Answers
from octoffm_async.session.decoding.drift import DriftLog
from octoffm_async.transport.response import Response

SECRET = "s3cr3t-of-the-client"


class Sent(NamedTuple):
    """One request as it left, and when."""

    at: float
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


Answer = Response | BaseException
Script = Callable[[Sent], Answer]


def answer(status: int = 200, body: Any = None, **headers: str) -> Response:
    """An answer with a JSON body (bytes are taken as they are)."""
    content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    named.setdefault("Content-Type", "application/json")
    return Response(status, named, content, "http://127.0.0.1:9/seller/v2")


def read_twice(operation: Any, response: Response, contract: ContractFile | None = None) -> Any:
    """Read an answer as a new session would, then once more: by then it has learned the spelling."""
    answers = Answers(Translation(contract or ContractFile()), DriftLog(lambda drift: None))
    first = answers.read(operation, response)
    again = answers.read(operation, response)
    if not isinstance(first, Response):
        assert again == first
    return again


class FakeTransport:
    """Answers each API call by ``script`` after ``latency`` seconds; tokens are ``token-1``, ``token-2``…"""

    def __init__(self, script: Script | None = None, *, latency: float = 0.0, token_life: float = 7200.0) -> None:
        self.script: Script = script or (lambda sent: answer(200, {"id": "S-1", "quantities": {"Available": 1}}))
        self.token_script: Script = self._token
        self.latency = latency
        self.token_life = token_life
        self.sent: list[Sent] = []
        self.token_calls: list[Sent] = []
        self.opened = False

    def open(self) -> None:
        self.opened = True

    async def close(self) -> None:
        self.opened = False

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, read_timeout: float = 30.0
    ) -> Response:
        sent = Sent(asyncio.get_running_loop().time(), method, url, headers, body)
        is_token = url.endswith("/token")
        (self.token_calls if is_token else self.sent).append(sent)
        await asyncio.sleep(self.latency)
        given = self.token_script(sent) if is_token else self.script(sent)
        if isinstance(given, BaseException):
            raise given
        return given._replace(url=url)

    def _token(self, sent: Sent) -> Answer:
        return answer(200, {"access_token": f"token-{len(self.token_calls)}", "expires_in": self.token_life})


def config(**settings: Any) -> Config:
    """Settings for a fake transport: no limit unless asked for."""
    settings.setdefault("limit", None)
    return Config(
        client_id="client",
        client_secret=SECRET,
        seller_id="12345",
        base_url="http://127.0.0.1:9/seller/v2",
        token_url="http://127.0.0.1:9/token",
        **settings,
    )


def refuse_later_tokens(transport: FakeTransport) -> None:
    """From the second token call on, refuse the credentials."""
    first = transport.token_script

    def script(sent: Sent) -> Answer:
        return first(sent) if len(transport.token_calls) == 1 else answer(401, {"error": "unauthorized_client"})

    transport.token_script = script
