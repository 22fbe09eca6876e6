"""The guide's application of aiohttp.web."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from octoffm_async.sandbox import Sandbox
from tests.support.guide import write_files
from tests.support.items import order


async def test_orders_come_in_and_errors_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files("web-backend", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    async with Sandbox(seed=7, catalogue=1, stock=5) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        runner = web.AppRunner(importlib.import_module("web_app").make_app())
        del sys.modules["web_app"]
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
                body = order("ORDER-1", product="SKU-00001").to_dict()
                ids = []
                for _ in range(2):
                    async with session.post("/orders", json=body) as answer:
                        assert answer.status == 201
                        ids.append((await answer.json())["id"])
                async with session.post("/orders", json=body | {"storage_country": "DE"}) as answer:
                    assert answer.status == 409
                async with session.post("/orders", json=body | {"lines": []}) as answer:
                    problem = await answer.json(content_type="application/problem+json")
                    assert (answer.status, problem["problems"][0]["field"]) == (422, "lines")
        finally:
            await runner.cleanup()
    assert ids[0] == ids[1]
    assert sandbox.effects.outbound == {"ORDER-1": 1}
