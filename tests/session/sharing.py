"""A process that shares tokens by a file, as one of many: ``python -m tests.session.sharing TASK``.

It is set up by the environment, says ``ready``, waits for a line, and prints a JSON object in the end. Tasks: ``use:N``
calls the API until it has used N tokens; ``refused`` asks 20 times at once; ``hold`` takes the turn and never ends it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time

import msgspec

from octoffm_async import CallError, Config, FileTokenStore, FulfillmentClient
from octoffm_async.session.token_stores import account_of


async def use(client: FulfillmentClient, count: int) -> object:
    source, seen = client._scope.session.tokens, dict[str, float]()
    while len(seen) < count:
        await client.outbound.count()
        token = await source.get()
        name = hashlib.sha256(token.secret.reveal().encode()).hexdigest()
        seen.setdefault(name, time.time() - (source.age(asyncio.get_running_loop().time()) or 0.0))
        await asyncio.sleep(0.1)
    return {"seen": seen, "fetched": client.stats().tokens}


async def refused(client: FulfillmentClient) -> object:
    errors = await asyncio.gather(*(client.outbound.count() for _ in range(20)), return_exceptions=True)
    return {"errors": [type(error).__name__ for error in errors if isinstance(error, CallError)], "text": str(errors)}


async def hold() -> object:
    store = FileTokenStore(os.environ["OCTOFFM_TOKEN_FILE"])
    turn = await store.take_turn(account_of(Config.from_env()), lease=60)
    print(msgspec.json.encode({"held": turn is not None}).decode(), flush=True)
    await asyncio.sleep(60)
    return None


async def main(task: str) -> object:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if task == "hold":
        return await hold()
    async with FulfillmentClient(Config.from_env(limit=None)) as client:
        return await (refused(client) if task == "refused" else use(client, int(task.partition(":")[2])))


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(main(sys.argv[1]))).decode(), flush=True)
