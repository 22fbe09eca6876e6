"""One process that counts in a store: :func:`main` with address, keys and times, started by :mod:`.forks`."""

from __future__ import annotations

import asyncio
import sys

from octoffm_async.stores import KeyValueStore, open_store


async def count(store: KeyValueStore, keys: list[str], times: int) -> None:
    """Add one to each key, all of them together, so many times."""

    def add(values: list[bytes | None], _: int) -> list[bytes | None]:
        return [b"%d" % (int(value or b"0") + 1) for value in values]

    async with store:
        for _ in range(times):
            await store.update(keys, add, keep_seconds=60)


def main() -> None:
    address, keys, times = sys.argv
    asyncio.run(count(open_store(address), keys.split(","), int(times)))
