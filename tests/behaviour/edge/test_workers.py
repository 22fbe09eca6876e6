"""The backend of the examples under the workers of uvicorn and gunicorn: one order a reference, one limit, one token.

All that a person exports is the address of the API and ``OCTOFFM_STORE``. The sandbox is a process of its own, and
refuses what is above the limit in any window over all workers.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from octoffm_async.sandbox import Fault, Sandbox, SandboxProcess
from tests.support.guide import write_files
from tests.support.items import order

pytestmark = [
    pytest.mark.one_loop,
    pytest.mark.timeout(180),  # four workers import all that they need, each for itself
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn forks, and signals do not exist"),
]

ROOT = Path(__file__).parents[3]
GUNICORN = "gunicorn --bind 127.0.0.1:0 --workers 4 --graceful-timeout 20 --worker-class uvicorn_worker.UvicornWorker"
SERVERS = {
    "uvicorn": "uvicorn --port 0 --workers 4",
    "gunicorn": GUNICORN,
    "gunicorn with preload": f"{GUNICORN} --preload",
}
THREADS = "gunicorn with threads"
COMMANDS = {**SERVERS, THREADS: "gunicorn --bind 127.0.0.1:0 --workers 2 --threads 4 --preload"}
STARTED = {"uvicorn": r"Started server process \[(\d+)\]", "gunicorn": r"Booting worker with pid: (\d+)"}
LIMIT = (20, 0.8)
"""The default of clients, with 0.2 s for which one request may take longer than another: the machine is busy."""
REFERENCES = [f"ORDER-{number}" for number in range(20)]
ORDER = {
    "lines": [{"product": "SKU-000001", "quantity": 1}],
    "address": {
        "first_name": "Jeanne",
        "last_name": "Martin",
        "address_line1": "12 quai de la Paix",
        "postal_code": "75011",
        "city": "Paris",
        "country_code": "FR",
    },
}


class Backend:
    """A server with its workers, and what it prints."""

    def __init__(self, process: asyncio.subprocess.Process, started: str) -> None:
        self.process = process
        self.log = ""
        self._started = started
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._news:
                self.log += line.decode()
                self._news.notify_all()

    async def says(self, pattern: str, *, times: int = 1) -> list[str]:
        """What it has said of this, once it has said it so often."""
        async with self._news:
            await self._news.wait_for(lambda: len(re.findall(pattern, self.log)) >= times)
        return re.findall(pattern, self.log)

    async def workers(self, count: int) -> list[int]:
        """The numbers of the workers so far, once there were so many."""
        return [int(pid) for pid in await self.says(self._started, times=count)]

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()
        await self._reading


@asynccontextmanager
async def served(
    server: str, sandbox: SandboxProcess | Sandbox, folder: Path, app: str = "tests.support.shop:app"
) -> AsyncIterator[tuple[Backend, aiohttp.ClientSession]]:
    """The backend in this folder, under one of the servers, and a session whose paths lead to it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OCTOFFM_")}
    environment |= sandbox.environment() | {"OCTOFFM_STORE": "state.sqlite", "PYTHONPATH": str(ROOT)}
    environment["HOME"] = str(folder)  # where gunicorn makes a socket
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *COMMANDS[server].split(), app),
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    backend = Backend(process, STARTED[server.split(maxsplit=1)[0]])
    try:
        address = (await backend.says(r"http://127\.0\.0\.1:\d+"))[0]
        async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as session:
            yield backend, session
    finally:
        await backend.end()
        print(backend.log)


async def shipped(session: aiohttp.ClientSession, reference: str) -> str:
    """Ask for an order until the answer has its id: once more if the answer says so, or if its worker was killed."""
    while True:
        try:
            async with session.post("/orders", json={**ORDER, "reference": reference}) as answer:
                told: dict[str, Any] = await answer.json()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.05)
            continue
        if answer.status == 201:
            return told["shipment_id"]
        assert answer.status in (202, 503), told
        await asyncio.sleep(float(answer.headers["Retry-After"]))


def asked_for(session: aiohttp.ClientSession) -> list[asyncio.Task[tuple[str, str]]]:
    """Ask ten times at once for each reference."""

    async def one(reference: str) -> tuple[str, str]:
        return reference, await shipped(session, reference)

    return [asyncio.create_task(one(reference)) for reference in random.sample(REFERENCES * 10, 200)]


async def check(sandbox: SandboxProcess, asked: list[asyncio.Task[tuple[str, str]]]) -> None:
    """One order a reference, of which all answers tell the same id; the limit held, and there was one token."""
    answers = await asyncio.gather(*asked)
    assert len(answers) == 200
    assert sorted(ids := dict(answers)) == sorted(REFERENCES)
    assert set(answers) == set(ids.items())
    assert len(set(ids.values())) == 20
    assert (await sandbox.effects())["outbound"] == dict.fromkeys(REFERENCES, 1)
    stats = await sandbox.stats()
    assert stats["throttled"] == 0
    assert stats["by_operation"]["token.create"] == {"200": 1}


def quick(*servers: str) -> pytest.MarkDecorator:
    """All servers are tried, most of them with the soak."""
    soak = pytest.mark.soak
    return pytest.mark.parametrize("server", [pytest.param(s, marks=() if s in servers else soak) for s in SERVERS])


@quick("uvicorn")
async def test_200_posts_of_20_references_make_20_orders_within_one_limit(server: str, tmp_path: Path) -> None:
    async with (
        SandboxProcess(catalogue=1, stock=1000, limit=LIMIT) as sandbox,
        served(server, sandbox, tmp_path) as (backend, session),
    ):
        pids = await backend.workers(4)
        asked = asked_for(session)

        async def stock() -> int:
            async with session.get("/stocks/SKU-000001") as answer:
                assert answer.status == 200
                return (await answer.json())["available"]

        assert len(await asyncio.gather(*(stock() for _ in range(40)))) == 40
        await check(sandbox, asked)
        assert (len(set(pids)), pids) == (4, await backend.workers(4))
    assert "Traceback" not in backend.log


@quick("gunicorn with preload")
async def test_a_killed_worker_is_replaced_and_its_orders_are_found(server: str, tmp_path: Path) -> None:
    async with (
        SandboxProcess(catalogue=1, stock=1000, limit=LIMIT) as sandbox,
        served(server, sandbox, tmp_path) as (backend, session),
    ):
        await sandbox.set_fault_rates({Fault.LATENCY: (1.0, 0.3)}, operations=["outbound.create"])
        victim = random.choice(await backend.workers(4))
        asked = asked_for(session)
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        os.kill(victim, signal.SIGKILL)
        await check(sandbox, asked)
        assert len(await backend.workers(5)) == 5


@quick()
async def test_a_rolling_restart_loses_nothing_and_doubles_nothing(server: str, tmp_path: Path) -> None:
    async with (
        SandboxProcess(catalogue=1, stock=1000, limit=LIMIT) as sandbox,
        served(server, sandbox, tmp_path) as (backend, session),
    ):
        await sandbox.set_fault_rates({Fault.LATENCY: (1.0, 0.3)}, operations=["outbound.create"])
        await backend.workers(4)
        asked = asked_for(session)
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        backend.process.send_signal(signal.SIGHUP)
        await check(sandbox, asked)
        assert len(await backend.workers(8)) == 8
        again = await asyncio.gather(*(shipped(session, reference) for reference in REFERENCES))
        assert [*zip(REFERENCES, again, strict=True)] == sorted({task.result() for task in asked}, key=by_number)
        assert (await sandbox.effects())["outbound"] == dict.fromkeys(REFERENCES, 1)
    assert "Traceback" not in backend.log


def by_number(told: tuple[str, str]) -> int:
    return REFERENCES.index(told[0])


async def test_threads_without_a_loop_share_the_client_of_their_process(tmp_path: Path) -> None:
    write_files("synchronous-code", tmp_path)
    async with (
        Sandbox(catalogue=1, stock=1000) as sandbox,
        served(THREADS, sandbox, tmp_path, "wsgi:application") as (backend, session),
    ):
        body = order("", product="SKU-00001").to_dict()

        async def ask(**changes: Any) -> tuple[int, dict[str, Any]]:
            async with session.post("/", json=body | changes) as answer:
                return answer.status, await answer.json(content_type=None)

        await backend.workers(2)
        sandbox.faults.next(Fault.RESET_AFTER, operation="outbound.create")
        status, told = await ask(reference="ORDER-0")
        assert (status, told["code"], told["retryable"]) == (202, "outcome_unknown", True)
        answers = await asyncio.gather(*(ask(reference=one) for one in random.sample(REFERENCES * 3, 60)))
        assert {status for status, _ in answers} == {201}
        assert len({told["id"] for _, told in answers}) == 20
        assert (await ask(reference="ORDER-1", storage_country="DE"))[0] == 409
        assert (await ask(reference="ORDER-1", lines=None))[0] == 422
        assert sandbox.effects.outbound == dict.fromkeys(REFERENCES, 1)
        assert sandbox.stats()["by_operation"]["token.create"] == {"200": 1}
    assert "Traceback" not in backend.log


@pytest.mark.parametrize(
    ("opened", "cure"), [("client", "make and enter a new one here"), ("journal", "open it in this process")]
)
async def test_what_was_opened_before_the_fork_sends_nothing_and_says_why(
    opened: str, cure: str, tmp_path: Path
) -> None:
    async with (
        SandboxProcess(catalogue=1, stock=1000) as sandbox,
        served("gunicorn with preload", sandbox, tmp_path, f"tests.support.opened_early:{opened}") as (_, session),
    ):
        for _ in range(2):
            async with session.post("/") as answer:
                told = await answer.json()
        assert told["error"] == "ClosedError", told
        assert cure in told["message"]
        assert (await sandbox.effects())["outbound"] == {}
