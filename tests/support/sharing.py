"""Processes that share tokens: ``python -m tests.support.sharing TASK COUNT``.

It is set up by the environment, says ``ready``, waits for a line, and becomes COUNT processes, each of which prints a
JSON object in the end. Tasks: ``use:N`` calls the API until it has used N tokens; ``refused`` asks 20 times at once;
``hold:N`` takes the lock for N seconds, as far as the store knows of time, and never releases it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time

import msgspec

from octoffm_async import CallError, Config, FulfillmentClient, Secret, TokenStore
from octoffm_async.auth import KeyValueTokenStore
from octoffm_async.auth.store import account_of
from octoffm_async.stores import FileStore, PostgresStore, RedisStore, new_key, open_store


def name_of(token: Secret) -> str:
    return hashlib.sha256(token.reveal().encode()).hexdigest()


async def stored_token(config: Config, address: str, key: str | None) -> dict[str, float]:
    """The name of the token in a store, and when it was asked for."""
    async with KeyValueTokenStore(open_store(address), key=key) as store:
        token = (await store.load(account_of(config))).token
    return {} if token is None else {name_of(token.secret): token.asked_at}


async def use(client: FulfillmentClient, count: int) -> dict[str, object]:
    source, seen = client._scope.session.tokens, dict[str, float]()
    while len(seen) < count:
        await client.outbound.count()
        token = await source.get()
        seen.setdefault(name_of(token.secret), time.time() - (source.age(asyncio.get_running_loop().time()) or 0.0))
        await asyncio.sleep(0.1)
    return {"seen": seen}


async def refused(client: FulfillmentClient) -> dict[str, object]:
    errors = await asyncio.gather(*(client.outbound.count() for _ in range(20)), return_exceptions=True)
    return {"errors": [type(error).__name__ for error in errors if isinstance(error, CallError)], "text": str(errors)}


async def hold(store: TokenStore, lease: float) -> object:
    lock = await store.acquire_renewal_lock(account_of(Config.from_env()), lease=lease)
    print(msgspec.json.encode({"held": lock is not None}).decode(), flush=True)
    await asyncio.sleep(60)
    return None


async def main(task: str) -> object:
    task, _, number = task.partition(":")
    address = os.environ["OCTOFFM_STORE"]
    if task == "hold":
        async with KeyValueTokenStore(open_store(address)) as store:
            return await hold(store, float(number))
    async with FulfillmentClient.from_env(limit=None) as client:
        report = await (refused(client) if task == "refused" else use(client, int(number)))
    return report | {"fetched": client.stats().tokens}  # with what came while it closed


def work(task: str) -> None:
    os.write(1, msgspec.json.encode(asyncio.run(main(task))) + b"\n")  # in one piece: others write there too


def work_in_children(task: str, count: int) -> None:
    """All is imported by now: the children begin at once."""
    children: list[int] = []
    for _ in range(count):
        if child := os.fork():
            children.append(child)
            continue
        code = 1
        try:
            work(task)
            code = 0
        finally:
            os._exit(code)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    new_key()  # and what stores import when they are first used
    FileStore, PostgresStore, RedisStore("redis://127.0.0.1:9")
    print("ready", flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "1":
        work(sys.argv[1])
    else:
        work_in_children(sys.argv[1], int(sys.argv[2]))
