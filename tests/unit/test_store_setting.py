"""One store for limits and token: how it is named, what it replaces, and that its password is never shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from octoffm_async import Config, ConfigurationError, FulfillmentClient, Limit, MemoryLimits, MemoryTokenStore, Secret
from octoffm_async.sandbox import Sandbox
from octoffm_async.stores import FileStore, KeyValueStore, MemoryStore
from tests.support.fakes import config

pytestmark = pytest.mark.one_loop

ADDRESS = "postgresql://someone:p4ssword@127.0.0.1:9/name"
ENVIRONMENT = {"OCTOFFM_CLIENT_ID": "id", "OCTOFFM_CLIENT_SECRET": "s3cret", "OCTOFFM_SELLER_ID": "12345"}


def test_the_environment_and_a_file_name_it(tmp_path: Path) -> None:
    by_environment = Config.from_env(ENVIRONMENT | {"OCTOFFM_STORE": ADDRESS})
    (tmp_path / "octoffm.toml").write_text(
        f'client_id = "id"\nclient_secret = "s3cret"\nseller_id = "12345"\nstore = "{ADDRESS}"\nprocesses = 20\n'
    )
    by_file = Config.from_file(tmp_path / "octoffm.toml")
    assert by_environment.store == by_file.store == Secret(ADDRESS)
    assert (by_environment.processes, by_file.processes) == (10, 20)
    assert "p4ssword" not in f"{by_environment} {by_file!r}"
    assert pickle.loads(pickle.dumps(by_file)) == by_file  # noqa: S301


@pytest.mark.parametrize("wrong", ["", "  ", 5, b"p4ssword", "p4ssword\0"])
def test_a_store_that_is_no_address_is_refused_and_not_shown(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="store must be the path or the address") as caught:
        config(store=wrong)
    assert "p4ssword" not in str(caught.value)


@pytest.mark.parametrize("processes", [0, -1, 2.5, "10"])
def test_a_number_of_processes_that_cannot_be_is_refused(processes: object) -> None:
    with pytest.raises(ConfigurationError, match="processes must be"):
        config(processes=processes)


async def test_a_store_and_what_it_replaces_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="leave out token_file"):
        config(store=tmp_path / "own" / "state.sqlite", token_file=tmp_path / "tokens.json")
    for named in (config(store=tmp_path / "own" / "state.sqlite"), config()):
        for replaced in ({"token_store": MemoryTokenStore()}, {"limit_store": MemoryLimits()}):
            store = None if named.store else MemoryStore()
            with pytest.raises(ConfigurationError, match="leave out token_store and limit_store"):
                FulfillmentClient(named, store=store, **replaced)


async def test_what_it_replaces_is_deprecated_where_it_is_written() -> None:
    async with Sandbox() as sandbox:
        tokens = MemoryTokenStore()
        for fetched in (1, 0):
            with pytest.warns(DeprecationWarning, match="give store=") as told:
                client = FulfillmentClient(sandbox.config(), token_store=tokens, limit_store=MemoryLimits())
            assert told[0].filename == __file__
            async with client:
                await client.check()
                assert client.stats().tokens == fetched


@pytest.mark.parametrize("given", ["object", "argument", "setting", "environment"])
async def test_clients_that_name_one_store_share_token_and_limits(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own" / "state.sqlite"
    store = MemoryStore() if given == "object" else None

    async with Sandbox() as sandbox:
        for name, value in (sandbox.environment() | {"OCTOFFM_STORE": str(path)}).items():
            monkeypatch.setenv(name, value)

        def client() -> FulfillmentClient:
            limit = Limit(50, per=10.0)
            match given:
                case "object":
                    return FulfillmentClient(sandbox.config(limit=limit), store=store)
                case "argument":
                    return FulfillmentClient(sandbox.config(limit=limit, token_file=tmp_path / "other"), store=path)
                case "setting":
                    return FulfillmentClient(sandbox.config(limit=limit, store=path))
                case _:
                    return FulfillmentClient.from_env(limit=limit)

        async with client() as one:
            for _ in range(2):
                await one.outbound.count()
        watched: KeyValueStore = FileStore(path) if store is None else store
        async with client() as two:
            await two.check()
            assert two.stats().tokens == 0
            keys = {key.partition(":")[0] for key in await stored(watched)}
        assert keys >= {"limit", "account", "calls"}
        assert sandbox.tokens.requests == 1


async def stored(store: KeyValueStore) -> list[str]:
    if isinstance(store, MemoryStore):
        return list(store._values)
    assert isinstance(store, FileStore)
    return await store._run(
        store._transact,
        "BEGIN",
        lambda connection, _: [row[0] for row in connection.execute("SELECT key FROM octoffm_store")],
    )


async def test_a_client_leaves_the_store_when_it_is_closed(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "own" / "state.sqlite")
    async with Sandbox() as sandbox:
        client = FulfillmentClient(sandbox.config(), store=store)
        for _ in range(2):  # and may be opened again
            async with client:
                await client.outbound.count()
                assert store._connection is not None
            assert store._connection is None
            await client.close()
