"""The promises of every store of keys and values, on each of ours; and those of each kind."""
# ruff: noqa: ASYNC110, ASYNC240  (stores are asked until they have it; the files are tiny)

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from redis.asyncio import Redis

from octoffm_async.errors import ClosedError, ConfigurationError, StoreError
from octoffm_async.stores import (
    Database,
    FileStore,
    KeyValueStore,
    MemoryStore,
    PostgresStore,
    RedisStore,
    base,
    open_store,
)
from octoffm_async.stores import file as file_store
from octoffm_async.stores.base import FORMAT
from tests.support.counting import count
from tests.support.forks import Forks, forked

pytestmark = pytest.mark.one_loop

COUNTING = "tests.support.counting:main"


class Kept(NamedTuple):
    """A place for stores; ``open`` returns one as another process would."""

    kind: str
    address: str
    open: Callable[[], KeyValueStore]
    server: Any = None


@pytest.fixture(params=["memory", "file", "postgres", "redis"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    kind: str = request.param
    if kind == "memory":
        store = MemoryStore()
        return Kept(kind, "", lambda: store)
    if kind == "file":
        address = str(tmp_path / "own" / "state.sqlite")
        return Kept(kind, address, lambda: open_store(address))
    server = request.getfixturevalue(f"{kind}_server")
    address = request.getfixturevalue(kind)
    return Kept(kind, address, lambda: open_store(address), server)


@pytest.fixture
async def store(kept: Kept) -> AsyncIterator[KeyValueStore]:
    async with kept.open() as opened:
        yield opened


def shared(kept: Kept) -> Kept:
    if kept.kind == "memory":
        pytest.skip("of one process")
    return kept


def served(kept: Kept) -> Kept:
    if kept.server is None:
        pytest.skip("without a server")
    return kept


def put(*values: bytes | None) -> Callable[[list[bytes | None], int], list[bytes | None]]:
    return lambda _, __: list(values)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks("tests.support.counting", "octoffm_async.stores.postgres", "octoffm_async.stores.redis") as forking:
        yield forking


class TestPromises:
    """Of all stores."""

    async def test_it_is_a_store(self, kept: Kept) -> None:
        assert isinstance(kept.open(), KeyValueStore)

    async def test_values_are_as_they_were_put(self, kept: Kept, store: KeyValueStore) -> None:
        values = [b"one", b"", bytes(range(256)), "ä{}*\0".encode(), b"x" * 100_000]
        keys = ["a", "b c", "ä:{}*", "'; --", "k" * 200]
        assert (await store.read(keys))[0] == [None] * 5
        await store.update(keys, put(*values), keep_seconds=60)
        async with kept.open() as other:
            assert (await other.read([*reversed(keys), "none"]))[0] == [*reversed(values), None]

    async def test_a_change_sees_the_values_and_replaces_or_deletes_each(self, store: KeyValueStore) -> None:
        seen: list[list[bytes | None]] = []

        def change(values: list[bytes | None], _: int) -> list[bytes | None]:
            seen.append(list(values))
            return [b"new", values[1], None, None]

        await store.update(["b", "c"], put(b"old", b"gone"), keep_seconds=60)
        await store.update(["a", "b", "c", "d"], change, keep_seconds=60)
        assert seen[-1] == [None, b"old", b"gone", None]
        assert (await store.read(["a", "b", "c", "d"]))[0] == [b"new", b"old", None, None]

    async def test_a_change_that_fails_changes_nothing(self, store: KeyValueStore) -> None:
        def change(values: list[bytes | None], _: int) -> list[bytes | None]:
            values[0] = b"half"
            raise KeyError("mine")

        await store.update(["a"], put(b"old"), keep_seconds=60)
        with pytest.raises(KeyError, match="mine"):
            await store.update(["a", "b"], change, keep_seconds=60)
        assert (await store.read(["a", "b"]))[0] == [b"old", None]
        await store.update(["a", "b"], put(b"1", b"2"), keep_seconds=60)  # and it holds nothing up

    async def test_a_value_ends_when_it_was_not_replaced_for_so_long(self, store: KeyValueStore) -> None:
        times: list[int] = []
        await store.update(["short", "long"], put(b"1", b"1"), keep_seconds=60)
        await store.update(["short"], lambda _, now: times.append(now) or [b"2"], keep_seconds=0.2)
        async with asyncio.timeout(20):
            while (read := await store.read(["short"]))[0] != [None]:
                assert read[0] == [b"2"]
                await asyncio.sleep(0.01)
        assert read[1] >= times[-1] + 199_000
        seen: list[bytes | None] = []
        await store.update(["short"], lambda values, _: seen.extend(values) or [b"3"], keep_seconds=60)
        assert seen == [None]
        assert (await store.read(["short", "long"]))[0] == [b"3", b"1"]

    async def test_the_time_is_one_and_never_goes_back(self, kept: Kept, store: KeyValueStore) -> None:
        times: list[int] = []
        begun = time.time()
        async with kept.open() as other:
            for each in (store, other) * 20:
                times.append((await each.read(["a"]))[1])
                await each.update(["a"], lambda _, now: times.append(now) or [b"%d" % now], keep_seconds=60)
        assert times == sorted(times)
        assert begun - 1 <= times[0] / 1e6 <= times[-1] / 1e6 <= time.time() + 1

    async def test_many_tasks_lose_no_change(self, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("octoffm_async.stores.base.GIVE_UP_AFTER", 30)  # however slow the machine is
        stores = [kept.open() for _ in range(4)]
        await asyncio.gather(*(count(stores[at % 4], ["a"], 10) for at in range(16)))
        async with kept.open() as store:
            assert (await store.read(["a"]))[0] == [b"160"]

    async def test_two_hundred_keys_at_once(self, store: KeyValueStore) -> None:
        keys = [f"key-{number}" for number in range(200)]
        values = [b"%d" % number for number in range(200)]
        for _ in range(2):
            await store.update(keys, put(*values), keep_seconds=60)
        assert (await store.read(keys))[0] == values

    async def test_cancelling_anywhere_leaves_all_or_nothing_and_holds_nothing_up(self, store: KeyValueStore) -> None:
        await store.update(["a", "b"], put(b"0", b"0"), keep_seconds=60)
        for passes in range(14):
            new = b"%d" % passes
            updating = asyncio.create_task(store.update(["a", "b"], put(new, new), keep_seconds=60))
            for _ in range(passes):
                await asyncio.sleep(0)
            updating.cancel()
            await asyncio.gather(updating, return_exceptions=True)
            async with asyncio.timeout(5):
                values, _ = await store.read(["a", "b"])
                assert values[0] == values[1]
                await store.update(["a", "b"], put(b"0", b"0"), keep_seconds=60)

    async def test_it_may_be_used_on_one_loop_after_another(self, kept: Kept) -> None:
        store = kept.open()

        async def use(*, leave: bool) -> bytes | None:
            await store.__aenter__()
            await store.update(["a"], lambda values, _: [(values[0] or b"") + b"x"], keep_seconds=60)
            values, _ = await store.read(["a"])
            if leave:
                await store.__aexit__(None, None, None)
            return values[0]

        assert await asyncio.to_thread(lambda: asyncio.run(use(leave=True))) == b"x"
        assert await asyncio.to_thread(lambda: asyncio.run(use(leave=True))) == b"xx"

    async def test_an_address_is_never_shown_with_its_password(self, kept: Kept) -> None:
        address = served(kept).address.replace("//octoffm@", "//").replace("//", "//someone:p4ssword@")
        await asyncio.to_thread(kept.server.stop)
        try:
            store = open_store(address)
            async with store:
                with pytest.raises(StoreError, match=str(kept.server.port)) as caught:
                    await store.read(["a"])
            assert caught.value.away
            shown = f"{store!r} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
            assert "p4ssword" not in shown
        finally:
            await asyncio.to_thread(kept.server.start)


class TestProcesses:
    """Of stores that processes share."""

    async def test_processes_lose_no_change_and_never_lock_each_other_out(self, kept: Kept, forks: Forks) -> None:
        times = 25
        turns = ["a,b,c", "c,b,a", "b,a,c", "c,a"] * 2  # no key exists; in one order they would not meet
        begun = [forks.start(COUNTING, [shared(kept).address, keys, str(times)]) for keys in turns]
        for each in begun:
            errors = await asyncio.to_thread(each.stderr.read)
            assert (await asyncio.to_thread(each.wait), errors) == (0, b"")
        async with kept.open() as store:
            assert (await store.read(["a", "b", "c"]))[0] == [b"%d" % (times * n) for n in (8, 6, 8)]

    async def test_a_process_killed_in_the_middle_stops_nobody_and_leaves_no_half(
        self, kept: Kept, forks: Forks
    ) -> None:
        for number in range(3):
            begun = forks.start(COUNTING, [shared(kept).address, "a,b", "100000"])
            async with kept.open() as store, asyncio.timeout(10):
                before = await store.read(["a"])
                while (await store.read(["a"]))[0] == before[0]:
                    await asyncio.sleep(0.001)
                begun.kill()
                await asyncio.to_thread(begun.wait)
                values, _ = await store.read(["a", "b"])
                assert values[0] == values[1], number
                await count(store, ["a", "b"], 1)

    async def test_a_process_that_froze_in_the_middle_is_not_waited_for_long(self, kept: Kept, forks: Forks) -> None:
        begun = forks.start(COUNTING, [shared(kept).address, "a,b", "100000"])
        async with kept.open() as store, asyncio.timeout(20):
            while (await store.read(["a"]))[0] == [None]:
                await asyncio.sleep(0.001)
            for _ in range(3):
                os.kill(begun.pid, signal.SIGSTOP)
                for _ in range(3):
                    try:
                        await count(store, ["a", "b"], 1)
                        break
                    except StoreError as error:
                        assert error.away  # noqa: PT017
                os.kill(begun.pid, signal.SIGCONT)
                await asyncio.sleep(0.01)
        begun.kill()

    @pytest.mark.parametrize("earlier", [False, True], ids=["when opened", "while it is used"])
    async def test_a_store_of_another_version_is_refused(self, kept: Kept, *, earlier: bool) -> None:
        async with shared(kept).open() as store:
            await count(store, ["a"], 1)
            await change_format(kept, FORMAT + 1)
            async with kept.open() as newcomer:
                used = store if earlier else newcomer
                for use in (used.read(["a"]), count(used, ["a"], 1)):
                    with pytest.raises(ConfigurationError, match=f"{FORMAT + 1}") as caught:
                        await use
                    assert "Run one version everywhere" in str(caught.value) or "update it" in str(caught.value)
                await change_format(kept, FORMAT)
                assert (await used.read(["a"]))[0] == [b"1"]

    async def test_a_store_that_came_back_is_used_again(self, kept: Kept) -> None:
        async with served(kept).open() as store:
            await count(store, ["a"], 1)
            await asyncio.to_thread(kept.server.stop)
            try:
                for use in (store.read(["a"]), count(store, ["a"], 1)):
                    with pytest.raises(StoreError) as caught:
                        await use
                    assert caught.value.away
            finally:
                await asyncio.to_thread(kept.server.start)
            await store.update(["a"], put(b"back"), keep_seconds=60)
            await asyncio.to_thread(kept.server.restart)
            await store.update(["b"], put(b"again"), keep_seconds=60)  # a restart meanwhile is not noticed
            assert (await store.read(["b"]))[0] == [b"again"]

    async def test_a_forked_process_uses_what_it_inherited_on_its_own_or_not_at_all(self, kept: Kept) -> None:
        async with shared(kept).open() as store:
            await count(store, ["a"], 1)

            def child() -> int:
                async def use() -> None:
                    async with store:
                        await count(store, ["a"], 1)

                try:
                    asyncio.run(use())
                except ClosedError:
                    return 7
                return 0

            assert forked(child) == (0 if kept.kind == "file" else 7)
            await count(store, ["a"], 1)  # the parent's connection is as it was
            assert (await store.read(["a"]))[0] == [b"3" if kept.kind == "file" else b"2"]


async def change_format(kept: Kept, version: int) -> None:
    match kept.kind:
        case "file":
            with sqlite3.connect(kept.address) as connection:
                connection.execute(f"PRAGMA user_version = {version}")
            connection.close()
        case "redis":
            async with Redis.from_url(kept.address) as redis:
                await redis.set("octoffm:format", version)
        case _:
            async with await psycopg.AsyncConnection.connect(kept.address) as connection:
                await connection.execute("UPDATE octoffm_schema SET version = %s WHERE part = 'store'", (version,))


@pytest.mark.parametrize(
    "address", ["", "  ", "http://p4ssword@127.0.0.1", "pg://p4ssword", "redis+x://p4ssword", "a\0b"]
)
def test_another_address_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(ConfigurationError, match="address") as caught:
        open_store(address)
    assert "p4ssword" not in str(caught.value)


@pytest.mark.parametrize("address", ["orders.sqlite", "http://p4ssword@h", "redis//p4ssword", "redis://h:p4ssword"])
@pytest.mark.parametrize("kind", [RedisStore, PostgresStore])
def test_a_server_of_another_kind_is_refused_and_not_shown(kind: type[Any], address: str) -> None:
    with pytest.raises(ConfigurationError, match="address") as caught:
        kind(address)
    assert "p4ssword" not in str(caught.value)


class TestFile:
    """The store in a file."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "own" / "state.sqlite"

    async def test_folder_file_and_side_files_are_the_owners_alone(self, path: Path) -> None:
        before = os.umask(0)
        try:
            async with FileStore(path) as store:
                await count(store, ["a"], 1)
                async with store:
                    await store.read(["a"])
                    modes = {file.name: stat.S_IMODE(file.lstat().st_mode) for file in path.parent.iterdir()}
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
        assert modes == {path.name + end: 0o600 for end in ("", "-wal", "-shm")}

    @pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
    async def test_a_file_that_others_can_use_is_refused(self, path: Path, bits: int) -> None:
        store = FileStore(path)
        path.chmod(bits)
        with pytest.raises(ConfigurationError, match="chmod 600"):
            FileStore(path)
        for use in (store.read(["a"]), store.update(["a"], put(b"secret"), keep_seconds=60)):
            with pytest.raises(ConfigurationError, match="others can read or write"):
                await use
        assert path.stat().st_size == 0

    @pytest.mark.parametrize("bits", [0o770, 0o720, 0o702, 0o777, 0o1777])
    async def test_a_folder_that_others_can_write_is_refused(self, path: Path, bits: int) -> None:
        store = FileStore(path)
        path.parent.chmod(bits)
        with pytest.raises(ConfigurationError, match="others can write the folder"):
            FileStore(path)
        with pytest.raises(ConfigurationError, match="chmod 700"):
            await store.read(["a"])

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
    async def test_a_file_or_folder_of_another_user_is_refused(self, path: Path) -> None:
        store = FileStore(path)
        os.chown(path, 12345, -1)
        with pytest.raises(ConfigurationError, match="belongs to another user"):
            await store.read(["a"])
        path.unlink()
        os.chown(path.parent, 12345, -1)
        with pytest.raises(ConfigurationError, match=r"folder .* belongs to another user"):
            await store.read(["a"])

    async def test_links_pipes_and_folders_are_refused(self, tmp_path: Path) -> None:
        real = tmp_path / "real"
        FileStore(real / "state.sqlite")
        (tmp_path / "folder").symlink_to(real)
        (real / "link").symlink_to(real / "state.sqlite")
        (real / "dangling").symlink_to(real / "nothing")
        os.mkfifo(real / "pipe", 0o600)
        (real / "inner").mkdir(0o700)
        (real / "text").touch(0o600)
        for wrong, told in {
            tmp_path / "folder" / "state.sqlite": "symbolic link",
            real / "link": "symbolic link",
            real / "dangling": "symbolic link",
            real / "pipe": "must be a plain file",
            real / "inner": "must be a plain file",
            real / "text" / "state.sqlite": "no folder",
        }.items():
            with pytest.raises(ConfigurationError, match=told):
                FileStore(wrong)

    @pytest.mark.parametrize(
        "content",
        [b'{"format": "octoffm-tokens", "version": 1}', b"SQLite format 3\0" + bytes(600), b"\0" * 5000, b"x"],
        ids=["an old token file", "damaged", "zeros", "one byte"],
    )
    async def test_a_file_that_is_no_store_is_refused_and_stays(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(0o700)
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises((ConfigurationError, StoreError), match=r"is no store|malformed|not a database"):
            await FileStore(path).read(["a"])
        assert path.read_bytes() == content

    async def test_a_database_of_another_program_is_refused_and_stays(self, path: Path) -> None:
        path.parent.mkdir(0o700)
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE theirs (a)")
        connection.close()
        path.chmod(0o600)
        before = path.read_bytes()
        async with FileStore(path) as store:
            with pytest.raises(ConfigurationError, match="is no store"):
                await count(store, ["a"], 1)
        assert path.read_bytes() == before

    async def test_a_damaged_file_is_told_with_its_cure_and_overwritten_by_nobody(self, path: Path) -> None:
        async with FileStore(path) as store:
            await store.update([f"{n}" for n in range(500)], put(*[b"x" * 100] * 500), keep_seconds=60)
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        before = path.read_bytes()
        async with FileStore(path) as store:
            with pytest.raises(StoreError, match=r"remove .*state\.sqlite\*") as caught:
                await store.read(["1"])
            assert not caught.value.away
        assert path.read_bytes() == before

    async def test_a_file_that_was_removed_or_replaced_is_left(self, path: Path) -> None:
        async with FileStore(path) as one, FileStore(path) as two:
            await count(one, ["a"], 3)
            await two.read(["a"])
            for file in path.parent.iterdir():
                file.unlink()
            await count(one, ["a"], 1)
            assert (await two.read(["a"]))[0] == [b"1"]

    async def test_a_file_that_stays_locked_fails_after_a_while(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(file_store, "WAIT", 0.05)
        async with FileStore(path) as store:
            await count(store, ["a"], 1)
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            assert (await store.read(["a"]))[0] == [b"1"]
            with pytest.raises(StoreError, match="locked") as caught:
                await store.update(["a"], put(b"2"), keep_seconds=60)
            assert caught.value.away
            other.close()
            await count(store, ["a"], 1)

    async def test_expired_values_are_swept(self, path: Path) -> None:
        now = 1e9
        async with FileStore(path, clock=lambda: now) as store:
            keys = [f"{n}" for n in range(100)]
            await store.update(keys, put(*[b"x"] * 100), keep_seconds=10)
            await store.update(["kept"], put(b"x"), keep_seconds=1000)
            now += 400
            await count(store, ["a"], 1)
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT key FROM octoffm_store ORDER BY key").fetchall() == [("a",), ("kept",)]
        connection.close()

    async def test_the_clock_is_the_machines_whatever_becomes_of_the_wall_clock(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not file_store._BOOT:
            pytest.skip("no such clock here")
        async with FileStore(path) as one:
            _, before = await one.read([])
            monkeypatch.setattr(time, "time_ns", lambda: 10**18)
            async with FileStore(path) as two:
                _, after = await two.read([])
        assert 0 <= after - before < 60e6
        monkeypatch.setattr(file_store, "_BOOT", "the next start of the machine")
        async with FileStore(path) as three:
            _, later = await three.read([])
            assert abs(later - 10**15) < 60e6
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT count(*) FROM octoffm_clock").fetchone() == (1,)
        connection.close()

    async def test_it_may_be_used_without_entering_and_leaves_nothing_open(self, path: Path) -> None:
        store = FileStore(path)
        await store.update(["a"], put(b"1"), keep_seconds=60)
        assert (await store.read(["a"]))[0] == [b"1"]
        assert store._connection is None


class TestServers:
    """PostgreSQL and Redis."""

    async def test_expired_rows_are_swept_in_postgresql(self, postgres: str) -> None:
        async with PostgresStore(postgres) as store:
            await store.update(["old", "new"], put(b"1", b"1"), keep_seconds=60)
            async with await psycopg.AsyncConnection.connect(postgres) as connection:
                await connection.execute("UPDATE octoffm_store SET kept_until = 5 WHERE key = 'old'")
            async with PostgresStore(postgres) as other:
                await count(other, ["a"], 1)
            async with await psycopg.AsyncConnection.connect(postgres) as connection:
                rows = await (await connection.execute("SELECT key FROM octoffm_store ORDER BY key")).fetchall()
            assert rows == [("a",), ("new",)]

    async def test_a_process_of_an_earlier_version_that_starts_later_is_refused(self, postgres: str) -> None:
        async with Database(postgres) as database:
            await database.prepare("tokens", 1, ["CREATE TABLE octoffm_tokens (name text)"])
            async with PostgresStore(postgres) as store:
                await count(store, ["a"], 1)
            for part, version in (("limits", 2), ("tokens", 1)):
                with pytest.raises(ConfigurationError, match="update it"):
                    await database.prepare(part, version, [])
            with pytest.raises(StoreError):
                async with database.connection() as connection:
                    await connection.execute("SELECT * FROM octoffm_tokens")

    async def test_a_dropped_table_is_made_again(self, postgres: str) -> None:
        async with PostgresStore(postgres) as store:
            await count(store, ["a"], 1)
            async with await psycopg.AsyncConnection.connect(postgres) as connection:
                await connection.execute("DROP TABLE octoffm_store, octoffm_schema")
            with pytest.raises(StoreError):
                await count(store, ["a"], 1)
            await count(store, ["a"], 1)

    async def test_nobody_waits_for_an_update_whose_process_stands_still(self, kept: Kept) -> None:
        seen: list[bytes | None] = []

        def change(values: list[bytes | None], _: int) -> list[bytes | None]:
            seen.append(values[0])
            if len(seen) == 1:  # while nothing else happens in this thread
                other = threading.Thread(target=lambda: asyncio.run(count(open_store(kept.address), ["a"], 3)))
                other.start()
                other.join()
            return [b"%d" % (int(values[0] or b"0") + 1)]

        async with served(kept).open() as store:
            await count(store, ["a"], 1)
            await store.update(["a"], change, keep_seconds=60)
            assert (await store.read(["a"]))[0] == [b"5"]
        assert seen == [b"1", b"4"]

    async def test_a_lock_that_another_holds_is_not_waited_for_long(
        self, postgres: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base, "GIVE_UP_AFTER", 0.5)
        async with PostgresStore(postgres) as store, await psycopg.AsyncConnection.connect(postgres) as connection:
            await count(store, ["a"], 1)
            await connection.execute("SELECT * FROM octoffm_store FOR UPDATE")
            begun = time.monotonic()
            with pytest.raises(StoreError, match="lock") as caught:
                await count(store, ["a"], 1)
            assert caught.value.away
            assert time.monotonic() - begun < 5
            await connection.rollback()
            await count(store, ["a"], 1)

    async def test_a_database_of_the_callers_stays_open(self, postgres: str) -> None:
        async with Database(postgres) as database:
            for _ in range(2):
                async with PostgresStore(database) as store:
                    await count(store, ["a"], 1)
            async with database.connection() as connection:
                assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    async def test_all_but_the_version_expires_in_redis(self, redis: str) -> None:
        async with RedisStore(redis, prefix="mine:") as store, Redis.from_url(redis) as client:
            await store.update(["a", "b"], put(b"1", b"1"), keep_seconds=90)
            await store.update(["a", "b"], lambda values, _: [b"2", values[1]], keep_seconds=60)
            assert {name: await client.ttl(name) for name in await client.keys()} == {
                b"mine:a": 60,
                b"mine:b": 90,
                b"mine:format": -1,
            }

    async def test_an_update_that_always_loses_fails_in_the_end(
        self, redis: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(base, "GIVE_UP_AFTER", 0.05)
        async with RedisStore(redis) as store, RedisStore(redis) as faster:
            swap, lost = store._swap, 0

            async def late(**arguments: Any) -> Any:
                nonlocal lost
                await count(faster, ["a"], 1)
                done = await swap(**arguments)
                lost += not done
                return done

            store._swap = late
            with pytest.raises(StoreError, match="lost against others") as caught:
                await count(store, ["a"], 1)
            assert caught.value.away
            assert lost
            assert (await faster.read(["a"]))[0] == [b"%d" % lost]

    async def test_a_store_on_another_loop_is_refused(self, kept: Kept) -> None:
        async with served(kept).open() as store:

            async def use() -> None:
                with pytest.raises(ClosedError):
                    await store.read(["a"])
                with pytest.raises(ClosedError, match="another event loop"):
                    await store.__aenter__()

            await asyncio.to_thread(lambda: asyncio.run(use()))
            await count(store, ["a"], 1)


async def test_a_file_is_used_and_closed_even_while_the_interpreter_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FileStore(tmp_path / "s.sqlite") as store:
        await store.update(["a"], lambda values, now: [b"1"], keep_seconds=60)
        monkeypatch.setattr("concurrent.futures.thread._shutdown", True)  # as it is when atexit calls
        await store.update(["a"], lambda values, now: [(values[0] or b"") + b"2"], keep_seconds=60)
        assert (await store.read(["a"]))[0] == [b"12"]
    assert not (tmp_path / "s.sqlite-wal").exists()


async def test_a_command_that_fails_when_its_caller_is_gone_is_not_logged_by_asyncio() -> None:
    asked, gone, told = asyncio.Event(), asyncio.Event(), list[dict[str, Any]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await gone.wait()
        writer.close()

    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        async with RedisStore(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0") as store:
            reading = asyncio.create_task(store.read(["a"]))
            await asked.wait()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            gone.set()
        del reading
        gc.collect()
    assert told == []
