"""A sandbox, and the command run against it in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from octoffm_async import FulfillmentClient
from octoffm_async.cli.app import run
from octoffm_async.sandbox import SandboxThread
from tests.support.items import order

T = TypeVar("T")


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Api:
    """What a test of a command needs: ``octoffm`` runs it, ``do`` prepares, ``sandbox`` is driven."""

    def __init__(self, sandbox: SandboxThread, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self._capsys = capsys

    def octoffm(self, *arguments: object) -> Said:
        self._capsys.readouterr()
        code = run([*map(str, arguments)])
        return Said(code, *self._capsys.readouterr())

    def do(self, work: Callable[[FulfillmentClient], Awaitable[T]]) -> T:
        async def main() -> T:
            async with FulfillmentClient(self.sandbox.config()) as client:
                return await work(client)

        return asyncio.run(main())

    def ordered(self, reference: str, *, product: str = "SKU-000001", quantity: int = 1) -> str:
        """A shipping order; its id."""
        return self.do(lambda client: client.outbound.create(order(reference, product=product, quantity=quantity)))
