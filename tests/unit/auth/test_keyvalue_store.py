"""Tokens in stores of keys and values: what lies there, who sees it, locks that end by themselves, stores away."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from blockbuster import BlockingError, blockbuster_ctx
from redis.asyncio import Redis

from octoffm_async import ConfigurationError, CredentialsRefusedError, FulfillmentClient, Secret
from octoffm_async.auth import KeyValueTokenStore, keyvalue_store
from octoffm_async.auth.store import BURST, SharedRefusal, SharedToken, TokenAccount, TokenRecord, account_of
from octoffm_async.cluster import PostgresTokens, RedisTokens
from octoffm_async.errors import StoreError
from octoffm_async.sandbox import Sandbox
from octoffm_async.stores import FileStore, MemoryStore, new_key, open_store
from tests.unit.auth.test_renewal import Endpoint, sources, texts

ONE, TWO = TokenAccount("client", "1" * 32), TokenAccount("client", "2" * 32)
KEY = new_key()
TOKEN = SharedToken(secret=Secret("token-1"), asked_at=1.8e9, expires_at=1.8e9 + 50)

pytestmark = pytest.mark.one_loop


class Kept(NamedTuple):
    """A place; ``open`` gives a store of its own to each who asks, as in another process."""

    open: Callable[..., KeyValueTokenStore]
    server: Any
    address: str

    async def values(self) -> dict[str, bytes]:
        """All values that are stored."""
        if self.address.startswith("redis"):
            async with Redis.from_url(self.address) as redis:
                names = [name for name in await redis.keys() if name != b"octoffm:format"]
                return {name.decode().removeprefix("octoffm:"): await redis.get(name) for name in names}
        if self.server is None:
            connection = sqlite3.connect(self.address)
            rows = connection.execute("SELECT key, value FROM octoffm_store").fetchall()
            connection.close()
            return dict(rows)
        async with await psycopg.AsyncConnection.connect(self.address) as connection:
            return dict(await (await connection.execute("SELECT key, value FROM octoffm_store")).fetchall())

    async def put(self, name: str, value: bytes) -> None:
        """Change what is stored."""
        async with open_store(self.address) as store:
            await store.update([name], lambda _, __: [value], keep_seconds=3600)


@pytest.fixture(params=["file", "redis", "postgres"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    kind: str = request.param
    server = None if kind == "file" else request.getfixturevalue(f"{kind}_server")
    address = str(tmp_path / "own" / "state.sqlite") if kind == "file" else request.getfixturevalue(kind)
    opened: list[KeyValueTokenStore] = []

    def opening(**settings: Any) -> KeyValueTokenStore:
        opened.append(KeyValueTokenStore(open_store(address), **settings))
        return opened[-1]

    yield Kept(opening, server, address)
    for store in opened:
        await store.close()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Our warnings: a busy loop has its own."""
    ours = [record for record in caplog.records if record.name == "octoffm_async"]
    return [record.getMessage() for record in ours if record.levelno == logging.WARNING]


class TestEncrypted:
    """With a key, nobody without it can read or forge anything."""

    async def test_only_without_a_key_anything_can_be_read(self, kept: Kept) -> None:
        for key, readable in ((KEY, False), (None, True)):
            store = kept.open(key=key)
            await store.save(ONE, TOKEN)
            await store.refuse(TWO, SharedRefusal(at=1.8e9, message="a wrong secret"))
            await store.acquire_renewal_lock(ONE, lease=60)
            await store.admit(ONE)
            stored = b"".join((await kept.values()).values())
            assert [text in stored for text in (b"token-1", b"a wrong secret")] == [readable] * 2

    async def test_who_has_another_key_sees_nothing_and_disturbs_nobody(self, kept: Kept) -> None:
        mine, other, none = kept.open(key=KEY), kept.open(key=new_key()), kept.open()
        await mine.save(ONE, TOKEN)
        lock = await mine.acquire_renewal_lock(ONE, lease=60)
        for stranger in (other, none):
            assert await stranger.load(ONE) == TokenRecord()
            assert await stranger.acquire_renewal_lock(ONE, lease=60) is not None
            await stranger.drop(ONE, TOKEN.secret)
            await stranger.refuse(ONE, SharedRefusal(at=1.8e9, message="no"))
        assert lock is not None
        assert await kept.open(key=KEY).load(ONE) == TokenRecord(TOKEN)

    async def test_the_quota_is_one_whatever_the_key(self, kept: Kept) -> None:
        for store in (kept.open(key=KEY), kept.open(key=new_key()), kept.open()):
            await store.admit(ONE)
        assert [name for name in await kept.values() if "calls" in name] == ["calls:client"]

    @pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "plain"])
    async def test_what_was_changed_is_ignored_told_once_and_replaced(
        self, kept: Kept, key: str | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = kept.open(key=key)
        await store.save(ONE, TOKEN)
        ((name, value),) = (await kept.values()).items()
        await kept.put(name, value[:-9] + b"\xff" + value[-8:])
        assert [await store.load(ONE) for _ in range(3)] == [TokenRecord()] * 3
        await store.drop(ONE, TOKEN.secret)
        await store.clear_refusal(ONE)
        reported = warnings_of(caplog)
        assert len(reported) == 1
        assert "damaged" in reported[0]
        assert "token-1" not in reported[0]
        await store.save(ONE, TOKEN)
        assert await store.load(ONE) == TokenRecord(TOKEN)

    async def test_a_token_put_in_anothers_place_is_not_taken(self, kept: Kept) -> None:
        store = kept.open(key=KEY)
        await store.save(ONE, TOKEN)
        ((name, value),) = (await kept.values()).items()
        await kept.put(name.replace(ONE.key, TWO.key), value)
        assert await store.load(TWO) == TokenRecord()

    @pytest.mark.parametrize("text", ["", "two words", "line\\r\\nInjected: header", "é", "\\u007f"])
    async def test_a_token_that_could_not_stand_in_a_header_is_damage(
        self, kept: Kept, text: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = kept.open()
        await store.save(ONE, TOKEN)
        ((name, value),) = (await kept.values()).items()
        await kept.put(name, value.replace(b"token-1", text.encode()))
        assert await store.load(ONE) == TokenRecord()
        assert "damaged" in caplog.text
        assert "Injected" not in caplog.text


class TestLocks:
    """A lock ends with its lease, whatever became of its holder."""

    async def test_a_lock_ends_by_itself_and_its_late_end_ends_no_other(self, kept: Kept) -> None:
        one, two = kept.open(), kept.open()
        assert (await one.load(ONE), await two.load(ONE)) == (TokenRecord(), TokenRecord())  # they are connected
        late = await one.acquire_renewal_lock(ONE, lease=0.5)
        assert await two.acquire_renewal_lock(ONE, lease=60) is None
        await asyncio.sleep(0.6)
        lock = await two.acquire_renewal_lock(ONE, lease=60)
        assert lock is not None
        await one.release_renewal_lock(ONE, late)
        assert await one.acquire_renewal_lock(ONE, lease=60) is None
        await two.release_renewal_lock(ONE, lock)
        assert await one.acquire_renewal_lock(ONE, lease=60) is not None

    async def test_a_lock_is_held_for_longer_than_its_lease_by_a_living_holder_only(
        self, kept: Kept, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keyvalue_store, "LOCK_LEASE", 0.5)
        one, two, dead = kept.open(), kept.open(), kept.open()
        lock = await one.acquire_renewal_lock(ONE, lease=60)
        assert await dead.acquire_renewal_lock(TWO, lease=60) is not None
        for task in dead._extending.values():
            task.cancel()
        await asyncio.sleep(1)
        assert await two.acquire_renewal_lock(ONE, lease=60) is None
        assert await two.acquire_renewal_lock(TWO, lease=60) is not None
        await one.release_renewal_lock(ONE, lock)
        assert await two.acquire_renewal_lock(ONE, lease=60) is not None
        assert not one._extending

    async def test_a_lock_of_an_earlier_release_is_respected(self, kept: Kept) -> None:
        await kept.put(f"turn:{ONE.key}", b"0123456789abcdef")
        assert await kept.open().acquire_renewal_lock(ONE, lease=60) is None

    async def test_a_taker_that_is_cancelled_leaves_no_lock(self, kept: Kept) -> None:
        store, other = kept.open(), kept.open()
        assert (await store.load(ONE), await other.load(ONE)) == (TokenRecord(), TokenRecord())
        for passes in range(12):
            taking = asyncio.create_task(store.acquire_renewal_lock(ONE, lease=60))
            for _ in range(passes):
                await asyncio.sleep(0)
            taking.cancel()
            (lock,) = await asyncio.gather(taking, return_exceptions=True)
            await store.close()
            if not isinstance(lock, BaseException):
                await store.release_renewal_lock(ONE, lock)
            else:
                assert isinstance(lock, asyncio.CancelledError)
            lock = await other.acquire_renewal_lock(ONE, lease=60)
            assert lock is not None, passes
            await other.release_renewal_lock(ONE, lock)


async def test_of_the_last_calls_of_the_quota_none_is_given_twice(kept: Kept) -> None:
    stores = [kept.open() for _ in range(10)]
    level = BURST - 3.2
    assert await stores[0].load(ONE) == TokenRecord()
    await kept.put("calls:client", f'[{{"level": {level}, "at": {stores[0].now()}}}, ""]'.encode())
    waits = [await store.admit(TWO) for store in stores[:1]]
    waits += await asyncio.gather(*(store.admit(ONE) for store in stores for _ in range(2)))
    assert sum(wait == 0 for wait in waits) == 3
    assert all(wait == 0 or 0 < wait < 30 for wait in waits)


@pytest.mark.virtual_time
@pytest.mark.parametrize("ahead", [-1e6, 0.0, 3600.0])
async def test_the_clock_is_the_stores_as_of_the_middle_of_a_reading(ahead: float) -> None:
    here = asyncio.get_running_loop().time

    class Slow(MemoryStore):
        async def read(self, keys: Any) -> Any:
            await asyncio.sleep(2)
            answer = await super().read(keys)
            await asyncio.sleep(2)
            return answer

    store = KeyValueTokenStore(Slow(clock=lambda: 1.8e9 + here() + ahead))
    await store.load(ONE)
    await asyncio.sleep(100)
    assert store.now() == pytest.approx(1.8e9 + here() + ahead, abs=1e-3)


class TestAway:
    """A server that is stopped, and comes back."""

    async def test_a_client_goes_on_alone_and_comes_back(self, kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
        if kept.server is None:
            pytest.skip("without a server")
        endpoint = Endpoint(takes=0.0)
        one, two = sources(endpoint, kept.open(), 1)[0], sources(endpoint, kept.open(), 1)[0]
        assert await texts([one]) == await texts([two]) == ["token-1"]
        await asyncio.to_thread(kept.server.stop)
        try:
            one.invalidate(await one.get())
            assert await texts([one]) == ["token-2"]
            await one.permit()
            reported = warnings_of(caplog)
            assert len(reported) == 1, reported
            assert "going on with a token that is not shared" in reported[0]
            assert f":{kept.server.port}" in reported[0]
        finally:
            await asyncio.to_thread(kept.server.start)
        assert await texts([one]) == ["token-2"]
        one.invalidate(await one.get())
        assert await texts([one]) == ["token-3"]
        two.invalidate(await two.get())
        assert await texts([two]) == ["token-3"]
        assert endpoint.calls == 3


class TestClients:
    """Clients over a store: one token call for all."""

    @pytest.mark.parametrize(
        ("asked_at", "life"),
        [(0, 1e12), (0, 86_401), (-7200, 7200), (-1e9, 7200), (3600, 7200), (1e9, 7200), (0, -5), (0, 0)],
    )
    async def test_absurd_times_cost_a_call_and_never_make_a_token_immortal(
        self, tmp_path: Path, asked_at: float, life: float
    ) -> None:
        store = FileStore(tmp_path / "own" / "state.sqlite")
        tokens = KeyValueTokenStore(store)
        async with Sandbox() as sandbox:
            account = account_of(sandbox.config())
            await tokens.load(account)
            begin = tokens.now() + asked_at
            await tokens.save(account, SharedToken(secret=Secret("forged"), asked_at=begin, expires_at=begin + life))
            async with FulfillmentClient(sandbox.config(), store=store) as client:
                await client.outbound.count()
            assert sandbox.tokens.requests == 1
            assert sandbox.requests.count("outbound.count", 401) == 0
        await tokens.close()

    async def test_a_token_that_the_api_does_not_know_is_dropped_for_all(self, kept: Kept) -> None:
        tokens = kept.open()
        async with Sandbox() as sandbox:
            config = sandbox.config(store=kept.address)
            await tokens.load(account_of(config))
            begin = tokens.now()
            forged = SharedToken(secret=Secret("forged"), asked_at=begin, expires_at=begin + 7200)
            await tokens.save(account_of(config), forged)
            async with FulfillmentClient(config) as one, FulfillmentClient(config) as two:
                await asyncio.gather(*(client.outbound.count() for client in (one, two) for _ in range(20)))
            assert sandbox.tokens.requests == 1
        assert b"forged" not in b"".join((await kept.values()).values())

    async def test_with_another_secret_the_token_is_not_found(self, kept: Kept) -> None:
        async with Sandbox() as sandbox:
            good, bad = sandbox.config(store=kept.address), sandbox.config(store=kept.address, client_secret="wr0ng")
            for _ in range(2):
                async with FulfillmentClient(good) as client:
                    await client.check()
                async with FulfillmentClient(bad) as client:
                    with pytest.raises(CredentialsRefusedError, match="refused the credentials"):
                        await client.check()
            assert (sandbox.tokens.requests, sandbox.tokens.refused) == (2, 1)
        stored = b"".join((await kept.values()).values())
        assert b"sandbox-secret" not in stored
        assert b"wr0ng" not in stored

    async def test_the_loop_is_never_held(self, tmp_path: Path) -> None:
        async with Sandbox() as sandbox:
            store = FileStore(tmp_path / "own" / "state.sqlite")
            tokens, account = KeyValueTokenStore(store), account_of(sandbox.config())
            with blockbuster_ctx("octoffm_async"):
                async with (
                    FulfillmentClient(sandbox.config(), store=store) as one,
                    FulfillmentClient(sandbox.config(), store=store) as two,
                ):
                    lock = await tokens.acquire_renewal_lock(account, lease=60)
                    assert lock is not None
                    calls = [asyncio.create_task(client.outbound.count()) for client in (one, two) for _ in range(5)]
                    await asyncio.sleep(0.2)
                    assert not any(call.done() for call in calls)
                    await tokens.release_renewal_lock(account, lock)
                    await asyncio.gather(*calls)
                    sandbox.tokens.expire_now()
                    await asyncio.gather(one.outbound.count(), two.outbound.count())
                with pytest.raises(BlockingError):
                    FileStore(tmp_path / "other" / "state.sqlite")  # makes a folder: the check would have seen that
            assert sandbox.tokens.requests == 2
            await tokens.close()

    async def test_nothing_shows_a_token(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with KeyValueTokenStore(FileStore(tmp_path / "own" / "state.sqlite")) as store:
            await store.save(ONE, TOKEN)
            assert "token-1" not in repr([store, await store.load(ONE), vars(store), vars(store._store)]) + caplog.text


class TestEarlierNames:
    """Names of earlier releases, kept for one more."""

    async def test_a_token_file_is_a_store_beside_it(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path = tmp_path / "own" / "tokens.json"
        path.parent.mkdir(0o700)
        path.write_text(old := '{"format": "octoffm-tokens", "version": 1}')
        async with Sandbox() as sandbox:
            for fetched in (1, 0):
                async with FulfillmentClient(sandbox.config(token_file=path)) as client:
                    await client.check()
                    assert client.stats().tokens == fetched
            async with KeyValueTokenStore(FileStore(tmp_path / "own" / "tokens.json.sqlite")) as store:
                assert (await store.load(account_of(sandbox.config()))).token is not None
        assert path.read_text() == old
        assert "tokens.json is of an earlier release, and not used any more" in caplog.text

    async def test_stores_of_tokens_are_those_of_keys_and_values(self, redis: str, postgres: str) -> None:
        for kind, address in ((RedisTokens, redis), (PostgresTokens, postgres)):
            async with kind(address, key=KEY) as one, KeyValueTokenStore(open_store(address), key=KEY) as two:
                await one.save(ONE, TOKEN)
                assert await two.load(ONE) == TokenRecord(TOKEN)

    async def test_they_need_not_be_entered_and_are_used_on_one_loop_after_another(self, kept: Kept) -> None:
        store = kept.open()

        async def save_and_load() -> TokenRecord:
            await store.save(ONE, TOKEN)
            stored = await store.load(ONE)
            await store.close()
            return stored

        for _ in range(2):
            assert await asyncio.to_thread(lambda: asyncio.run(save_and_load())) == TokenRecord(TOKEN)


async def check_alone(folder: Path, reported: str, caplog: pytest.LogCaptureFixture) -> None:
    """Three clients' worth of renewals without a file: each works, and tells it once."""
    async with Sandbox() as sandbox:
        config = sandbox.config(token_file=folder / "tokens")
        async with FulfillmentClient(config) as client:
            for storm in range(1, 4):
                await asyncio.gather(*(client.outbound.count() for _ in range(20)))
                assert sandbox.tokens.requests == storm
                sandbox.tokens.expire_now()
    warnings = warnings_of(caplog)
    assert len(warnings) == 1
    assert reported in warnings[0]


def make_read_only(disk: Path) -> None:
    subprocess.run([shutil.which("mount") or "mount", "-o", "remount,ro", str(disk)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017


async def test_on_a_full_disk_a_client_goes_on_alone(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(small_disk)
    await check_alone(small_disk, "is full", caplog)


async def test_a_disk_that_fills_up_leaves_the_old_values_whole(small_disk: Path) -> None:
    async with KeyValueTokenStore(FileStore(small_disk / "state.sqlite")) as store:
        await store.save(ONE, TOKEN)
        fill(small_disk)

        async def save_many() -> None:
            for number in range(200):
                await store.save(TokenAccount("client", f"{number:032}"), TOKEN)

        with pytest.raises(StoreError, match="full"):
            await save_many()
        assert (await store.load(ONE)).token == TOKEN


async def test_in_a_read_only_folder_a_client_goes_on_alone(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_read_only(small_disk)
    await check_alone(small_disk, os.strerror(errno.EROFS), caplog)


async def test_a_folder_that_cannot_be_made_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    await check_alone(tmp_path / "file" / "folder", os.strerror(errno.ENOTDIR), caplog)


async def test_a_file_that_is_no_store_is_told_to_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "own" / "notes.txt"
    path.parent.mkdir(0o700)
    path.write_text("mine")
    path.chmod(0o600)
    async with Sandbox() as sandbox, FulfillmentClient(sandbox.config(store=path)) as client:
        with pytest.raises(ConfigurationError, match=r"notes\.txt is no store"):
            await client.check()
    assert path.read_text() == "mine"
