"""Programs that fork while a client is open; each prints one line of JSON. Run by ``test_forks``, not by pytest."""

from __future__ import annotations

import asyncio
import gc
import json
import multiprocessing
import os
import signal
import ssl
import sys
import threading
from typing import Any

import trustme

from octoffm_async import ClosedError, FulfillmentClient, Journal
from octoffm_async.sandbox import Sandbox, SandboxThread
from tests.behaviour.loops.entries import begun_entries, entries_of, order, refusals


class TlsProxy:
    """A TLS server in a thread before a sandbox: it counts connections, and tells how each of them ended."""

    def __init__(self, sandbox: SandboxThread) -> None:
        authority = trustme.CA()
        self.trusting = ssl.create_default_context()
        authority.configure_trust(self.trusting)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)
        self._behind = int(sandbox.base_url.split(":")[2].split("/")[0])
        self.connections = self.ended = 0
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        self._ready.wait(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._open())
        self.loop.run_forever()

    async def _open(self) -> None:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        behind, ahead = await asyncio.open_connection("127.0.0.1", self._behind)

        async def copy() -> None:
            while data := await behind.read(65536):
                writer.write(data)

        copying = asyncio.ensure_future(copy())
        try:
            while data := await reader.read(65536):
                ahead.write(data)
        except (OSError, ssl.SSLError):
            pass
        finally:
            self.ended += 1
            copying.cancel()
            ahead.close()
            writer.close()


def in_flight(client: FulfillmentClient) -> int:
    """How many requests are on the way."""
    return sum(key.in_flight for key in client.stats().keys)


def fork() -> int:
    """Fork; a child that hangs ends by itself."""
    pid = os.fork()
    if not pid:
        signal.alarm(30)
    return pid


def leave_by_exit(_: asyncio.AbstractEventLoop, code: int) -> None:
    """End as ``multiprocessing`` does: without unwinding, after a collection of what nobody holds."""
    gc.collect()
    os._exit(code)


def leave_unwinding(loop: asyncio.AbstractEventLoop, code: int) -> None:
    """End by an exception that runs through all blocks and closes the inherited loop."""
    if sys.version_info >= (3, 14):  # no task of a forked child can end there: the loop is told so, and would go on
        loop.set_exception_handler(lambda inherited, _: inherited.stop())
    sys.exit(code)


def served(mode: str) -> dict[str, Any]:
    """Fork in the middle of a program with an open client and a run; the child tries all entries and ends."""
    with SandboxThread(seed=7, catalogue=5) as sandbox:
        proxy = TlsProxy(sandbox)
        base = f"https://localhost:{proxy.port}/seller/v2"
        config = sandbox.config(base_url=base)
        read, write = os.pipe()
        found: dict[str, Any] = {}

        def child(client: FulfillmentClient, begun: Any, loop: asyncio.AbstractEventLoop) -> None:
            signal.alarm(30)
            results = asyncio.run(refusals({**entries_of(client), **begun}))
            os.write(write, json.dumps(results).encode())
            del client, begun
            gc.collect()
            (leave_unwinding if mode == "unwinding" else leave_by_exit)(loop, 7)

        async def program() -> None:
            loop = asyncio.get_running_loop()
            async with FulfillmentClient(config, ssl_context=proxy.trusting, hooks=()) as client:
                begun = await begun_entries(client)
                while sandbox.effects.outbound["BEGUN-2"] == 0 or in_flight(client):  # noqa: ASYNC110
                    await asyncio.sleep(0)
                before = (sandbox.run(lambda inner: inner.requests.total), proxy.connections)
                if mode == "multiprocessing":
                    process = multiprocessing.get_context("fork").Process(target=child, args=(client, begun, loop))
                    process.start()
                    await asyncio.to_thread(process.join)
                    found["exit"] = process.exitcode
                else:
                    pid = fork()
                    if not pid:
                        child(client, begun, loop)
                    found["exit"] = os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, pid, 0))[1])
                found["child"] = json.loads(os.read(read, 1 << 20))
                found["ended"] = proxy.ended
                ended = asyncio.Event()
                threading.Thread(target=lambda: loop.call_soon_threadsafe(ended.set)).start()
                await ended.wait()  # the loop still hears of other threads
                found["sent"] = sandbox.run(lambda inner: inner.requests.total) - before[0]
                found["count"] = await client.outbound.count()
                found["created"] = (await begun["end of a begun run"]()).created
                await begun["leaving a begun run"]()
                found["connections"] = proxy.connections - before[1]

        asyncio.run(program())
        found["elsewhere"] = sandbox.effects.outbound["ELSEWHERE-1"] + sandbox.effects.outbound["ELSEWHERE-2"]
        return found


def inherited_loop(_: str) -> dict[str, Any]:
    """Fork between two uses of a loop; the child goes on with the same loop, and with what waits on it."""
    with SandboxThread(seed=7) as sandbox:
        loop = asyncio.new_event_loop()
        client = FulfillmentClient(sandbox.config(), hooks=())
        loop.run_until_complete(client.open())
        run = client.bulk.create_outbound([order(f"BEGUN-{number}") for number in range(40)], concurrency=4)
        loop.run_until_complete(run.__aenter__())
        loop.run_until_complete(anext(run))
        pid = fork()
        if not pid:
            told = loop.run_until_complete(refusals(entries_of(client)))
            loop.run_until_complete(asyncio.sleep(0.2))
            told["run"] = loop.run_until_complete(refusals({"run": lambda: anext(run)}))["run"]
            loop.close()
            os._exit(0 if all("was opened in process" in text for text in told.values()) else 1)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        created = loop.run_until_complete(run.wait()).created
        loop.run_until_complete(run.__aexit__(None, None, None))
        loop.run_until_complete(client.close())
        loop.close()
        sent = sandbox.run(lambda inner: inner.requests.count("outbound.create"))
        return {"exit": code, "created": created, "sent": sent}


def new_client(_: str) -> dict[str, Any]:
    """The child makes a client of its own, with the same configuration and token file."""

    async def counted(config: Any) -> int:
        async with FulfillmentClient(config, hooks=()) as client:
            return await client.outbound.count()

    async def program(sandbox: SandboxThread) -> dict[str, Any]:
        async with FulfillmentClient(sandbox.config(), hooks=()) as client:
            await client.outbound.count()
            pid = fork()
            if not pid:
                os._exit(asyncio.run(counted(sandbox.config())))
            code = os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, pid, 0))[1])
            return {"exit": code, "count": await client.outbound.count()}

    with SandboxThread(seed=7) as sandbox:
        return asyncio.run(program(sandbox))


def orphan(path: str) -> dict[str, Any]:
    """Hold a journal and fork; tell the child's number, wait to be killed."""

    async def program() -> None:
        async with Journal.open(path) as journal:
            await journal.begin_run(seller="12345", operation="outbound.create")
            pid = fork()
            if not pid:
                gc.collect()
                print(json.dumps({"orphan": os.getpid()}), flush=True)
                signal.pause()
            await asyncio.Event().wait()

    asyncio.run(program())
    return {}


def sandbox_inherited(_: str) -> dict[str, Any]:
    """Fork with open sandboxes: the child can neither stop nor serve them, and an orphan does not keep the port."""

    async def program() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        with SandboxThread(seed=7) as threaded:
            async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config(), hooks=()) as client:
                await client.outbound.count()
                pid = fork()
                if not pid:
                    refused = 0
                    for action in (
                        lambda: asyncio.run(sandbox.stop()),
                        lambda: asyncio.run(sandbox.start()),
                        lambda: threaded.run(lambda inner: inner.requests.total),
                    ):
                        try:
                            action()
                        except ClosedError:
                            refused += 1
                    gc.collect()
                    leave_unwinding(loop, refused)
                code = os.waitstatus_to_exitcode((await asyncio.to_thread(os.waitpid, pid, 0))[1])
                return {"exit": code, "count": await client.outbound.count()}

    return asyncio.run(program())


PROGRAMS = {program.__name__: program for program in (served, inherited_loop, new_client, orphan, sandbox_inherited)}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](sys.argv[2])), flush=True)
