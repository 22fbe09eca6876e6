"""The token file: who may read it, what is in it, and what happens when it cannot be used."""
# ruff: noqa: ASYNC240  (the files are tiny, and nothing else waits)

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockingError, blockbuster_ctx

from octoffm_async import Config, ConfigurationError, CredentialsRefusedError, FileTokenStore, FulfillmentClient, Secret
from octoffm_async.auth.store import SharedToken, TokenAccount, TokenRecord, account_of
from octoffm_async.disk.private_file import FileLock
from octoffm_async.sandbox import Sandbox

pytestmark = pytest.mark.one_loop

ACCOUNT, OTHER = TokenAccount("client", "0" * 32), TokenAccount("client", "1" * 32)
SECRET = "sandbox-secret"


class Wall:
    """A wall clock that stands still until it is put."""

    def __init__(self) -> None:
        self.at = 1.8e9

    def __call__(self) -> float:
        return self.at


def token(wall: Wall, text: str = "the-token") -> SharedToken:
    return SharedToken(secret=Secret(text), asked_at=wall.at, expires_at=wall.at + 7200)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "tokens.json"


def foreign(path: Path) -> Path:
    return path.with_name(path.name + ".ignored")


async def served(store: FileTokenStore) -> int:
    """How many token calls two clients make that use the store."""
    async with Sandbox() as sandbox:
        for _ in range(2):
            async with FulfillmentClient(sandbox.config(), token_store=store) as client:
                assert await client.check() > 1000
        return sandbox.tokens.requests


async def test_file_folder_and_side_files_are_the_owners_alone(path: Path, wall: Wall) -> None:
    before = os.umask(0)
    try:
        store = FileTokenStore(path, clock=wall)
        lock = await store.acquire_renewal_lock(ACCOUNT, lease=5)
        await store.save(ACCOUNT, token(wall))
        assert lock is not None
        await store.release_renewal_lock(ACCOUNT, lock)
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert sorted(path.parent.iterdir()) == [
        path,
        path.with_name(f"tokens.json.{'0' * 16}.lock"),
        path.with_name("tokens.json.lock"),
    ]
    assert {mode(file) for file in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o666, 0o610])
async def test_a_file_that_others_can_use_is_refused(path: Path, wall: Wall, bits: int) -> None:
    store = FileTokenStore(path, clock=wall)
    await store.save(ACCOUNT, token(wall))
    path.chmod(bits)
    with pytest.raises(ConfigurationError, match="others can read or write the token file"):
        FileTokenStore(path)
    for call in (store.load(ACCOUNT), store.save(ACCOUNT, token(wall, "second"))):
        with pytest.raises(ConfigurationError, match="chmod 600"):
            await call
    assert "second" not in path.read_text()


@pytest.mark.parametrize("bits", [0o770, 0o720, 0o702, 0o777, 0o1777])
async def test_a_folder_that_others_can_write_is_refused(path: Path, wall: Wall, bits: int) -> None:
    store = FileTokenStore(path, clock=wall)
    path.parent.chmod(bits)
    with pytest.raises(ConfigurationError, match="others can write the folder"):
        FileTokenStore(path)
    for call in (store.load(ACCOUNT), store.save(ACCOUNT, token(wall)), store.acquire_renewal_lock(ACCOUNT, lease=5)):
        with pytest.raises(ConfigurationError, match="chmod 700"):
            await call
    assert not list(path.parent.iterdir())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
async def test_what_belongs_to_another_user_is_refused(path: Path, wall: Wall) -> None:
    store = FileTokenStore(path, clock=wall)
    await store.save(ACCOUNT, token(wall))
    os.chown(path, 12345, -1)
    with pytest.raises(ConfigurationError, match="the token file belongs to another user"):
        await store.load(ACCOUNT)
    path.unlink()
    os.chown(path.parent, 12345, -1)
    with pytest.raises(ConfigurationError, match="folder of the token file belongs to another user"):
        await store.load(ACCOUNT)


async def test_symbolic_links_are_refused(tmp_path: Path, wall: Wall) -> None:
    real = tmp_path / "real"
    await FileTokenStore(real / "tokens.json", clock=wall).save(ACCOUNT, token(wall))
    (tmp_path / "folder").symlink_to(real)
    with pytest.raises(ConfigurationError, match="symbolic link"):
        FileTokenStore(tmp_path / "folder" / "tokens.json")
    for target in ("tokens.json", "nothing-there"):
        link = real / f"link-to-{target}"
        link.symlink_to(real / target)
        with pytest.raises(ConfigurationError, match="symbolic link"):
            FileTokenStore(link)
    for suffix in (".lock", ".new", f".{'0' * 16}.lock"):
        victim, linked = real / f"victim{suffix}", real / f"linked{suffix}"
        victim.write_text("precious")
        linked.symlink_to(victim)
        store = FileTokenStore(real / "linked", clock=wall)
        with pytest.raises(ConfigurationError, match="symbolic link"):
            await (store.acquire_renewal_lock(ACCOUNT, lease=5) if "0" in suffix else store.save(ACCOUNT, token(wall)))
        linked.unlink()
        assert victim.read_text() == "precious"


async def test_what_is_no_plain_file_is_refused(path: Path) -> None:
    path.parent.mkdir(0o700)
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigurationError, match="plain file"):
        FileTokenStore(path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(ConfigurationError, match="plain file"):
        await FileTokenStore(path).load(ACCOUNT)
    (path / "file").touch(0o600)
    with pytest.raises(ConfigurationError, match="no folder"):
        FileTokenStore(path / "file" / "tokens.json")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"", "damaged"),
        (b"\x00\xff\xfe", "damaged"),
        (b'{"format": "octoffm-tok', "damaged"),
        (b"[" * 100_000, "damaged"),
        (b" " * 5_000_000, "damaged"),
        (b'{"format": "octoffm-tokens", "version": 1, "accounts": 5}', "damaged"),
        (b'{"format": "octoffm-tokens", "version": "1"}', "damaged"),
        (b'{"version": 3, "format": "something-else"}', "is no token file"),
        (b'{"format": "octoffm-tokens", "version": 0}', "version 0"),
        (b'{"format": "octoffm-tokens", "version": 2}', "version 2"),
    ],
    ids=range(10),
)
async def test_a_file_that_is_none_of_ours_is_ignored_and_put_aside(
    path: Path, content: bytes, reported: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir(0o700)
    path.write_bytes(content)
    path.chmod(0o600)
    store = FileTokenStore(path)
    for _ in range(3):
        assert await store.load(ACCOUNT) == TokenRecord()
    ours = [record for record in caplog.records if record.name == "octoffm_async"]
    assert [record.levelno for record in ours] == [logging.WARNING]
    assert reported in caplog.text
    assert await served(store) == 1
    assert foreign(path).read_bytes() == content
    assert json.loads(path.read_bytes())["format"] == "octoffm-tokens"
    ignored = [
        record for record in caplog.records if record.name == "octoffm_async" and reported in record.getMessage()
    ]
    assert len(ignored) == 1


@pytest.mark.parametrize("text", ["", "two words", "line\r\nInjected: header", "é", "\x7f"])
async def test_a_token_that_could_not_stand_in_a_header_is_damage(
    path: Path, wall: Wall, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = FileTokenStore(path, clock=wall)
    await store.save(ACCOUNT, token(wall))
    path.write_text(path.read_text().replace('"the-token"', json.dumps(text)))
    assert await store.load(ACCOUNT) == TokenRecord()
    assert "damaged" in caplog.text
    assert "Injected" not in caplog.text


@pytest.mark.parametrize(
    ("asked_at", "life"),
    [(0, 1e12), (0, 86_401), (-7200, 7200), (-1e9, 7200), (3600, 7200), (1e9, 7200), (0, -5), (0, 0)],
)
async def test_absurd_times_cost_a_call_and_never_make_a_token_immortal(
    path: Path, asked_at: float, life: float
) -> None:
    store = FileTokenStore(path)
    async with Sandbox() as sandbox:
        account, begin = account_of(sandbox.config()), store.now() + asked_at
        shared = SharedToken(secret=Secret("forged"), asked_at=begin, expires_at=begin + life)
        await store.save(account, shared)
        async with FulfillmentClient(sandbox.config(), token_store=store) as client:
            await client.outbound.count()
        assert sandbox.tokens.requests == 1
        assert sandbox.requests.count("outbound.count", 401) == 0


async def test_a_token_that_the_api_does_not_know_is_dropped_for_all(path: Path) -> None:
    store = FileTokenStore(path)
    async with Sandbox() as sandbox:
        config = sandbox.config()
        shared = SharedToken(secret=Secret("forged"), asked_at=store.now(), expires_at=store.now() + 7200)
        await store.save(account_of(config), shared)
        async with (
            FulfillmentClient(config, token_store=store) as one,
            FulfillmentClient(config, token_store=FileTokenStore(path)) as two,
        ):
            await asyncio.gather(*(client.outbound.count() for client in (one, two) for _ in range(50)))
        assert sandbox.tokens.requests == 1
        assert "forged" not in path.read_text()


async def test_with_another_secret_the_token_is_not_found(path: Path) -> None:
    async with Sandbox() as sandbox:
        async with FulfillmentClient(sandbox.config(token_file=path)) as good:
            await good.check()
        async with FulfillmentClient(sandbox.config(token_file=path, client_secret="wrong")) as bad:
            with pytest.raises(CredentialsRefusedError, match="refused the credentials"):
                await bad.check()
        async with FulfillmentClient(sandbox.config(token_file=path)) as good:
            await good.check()
        assert (sandbox.tokens.requests, sandbox.tokens.refused) == (2, 1)
    text = path.read_text()
    assert SECRET not in text
    assert "wrong" not in text
    assert len(json.loads(text)["accounts"]) == 2


async def test_what_is_a_day_old_is_left_out(path: Path, wall: Wall) -> None:
    store = FileTokenStore(path, clock=wall)
    await store.save(ACCOUNT, token(wall))
    wall.at += 90_000
    await store.save(OTHER, token(wall, "new"))
    assert set(json.loads(path.read_bytes())["accounts"]) == {OTHER.key}


async def test_the_quota_is_kept_over_processes(path: Path, wall: Wall) -> None:
    admitted = 0
    while not (wait := await FileTokenStore(path, clock=wall).admit(ACCOUNT)):
        admitted += 1
    assert admitted == 250
    assert 0 < wait < 60
    wall.at += wait + 0.001
    assert await FileTokenStore(path, clock=wall).admit(OTHER) == 0
    assert await FileTokenStore(path, clock=wall).admit(OTHER) > 0


async def test_what_a_killed_writer_left_is_overwritten(path: Path, wall: Wall) -> None:
    store = FileTokenStore(path, clock=wall)
    path.with_name("tokens.json.new").write_text('{"half of a')
    path.with_name("tokens.json.new").chmod(0o600)
    await store.save(ACCOUNT, token(wall))
    assert (await store.load(ACCOUNT)).token == token(wall)
    assert not path.with_name("tokens.json.new").exists()


async def test_the_loop_is_never_held(path: Path) -> None:
    async with Sandbox() as sandbox:
        store = FileTokenStore(path)
        account = account_of(sandbox.config())
        with blockbuster_ctx("octoffm_async"):
            async with (
                FulfillmentClient(sandbox.config(), token_store=store) as one,
                FulfillmentClient(sandbox.config(), token_store=store) as two,
            ):
                lock = await store.acquire_renewal_lock(account, lease=60)
                assert lock is not None
                calls = [asyncio.create_task(client.outbound.count()) for client in (one, two) for _ in range(5)]
                await asyncio.sleep(0.2)
                assert not any(call.done() for call in calls)
                await store.release_renewal_lock(account, lock)
                await asyncio.gather(*calls)
                sandbox.tokens.expire_now()
                await asyncio.gather(one.outbound.count(), two.outbound.count())
            with pytest.raises(BlockingError):
                FileTokenStore(path)  # what makes one looks at the file: the check above would have seen that
        assert sandbox.tokens.requests == 2


async def test_many_writers_at_once_lose_nothing(path: Path, wall: Wall) -> None:
    accounts = [TokenAccount("client", f"{number:032x}") for number in range(60)]
    stores = [FileTokenStore(path, clock=wall) for _ in range(6)]
    saves = (stores[at % 6].save(account, token(wall, f"t{at}")) for at, account in enumerate(accounts))
    await asyncio.gather(*saves)
    stored = [(await stores[0].load(account)).token for account in accounts]
    assert stored == [token(wall, f"t{at}") for at in range(60)]


async def test_settings_name_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sandbox() as sandbox:
        for name, value in (sandbox.environment() | {"OCTOFFM_TOKEN_FILE": str(path)}).items():
            monkeypatch.setenv(name, value)
        for fetched in (1, 0):
            async with FulfillmentClient.from_env() as client:
                await client.check()
                assert client.stats().tokens == fetched
        assert sandbox.tokens.requests == 1
        config = Config.from_env(token_file=path)
        assert config.token_file == str(path)
        own = FileTokenStore(path.with_name("other.json"))
        async with FulfillmentClient(config, token_store=own) as client:  # what is passed wins
            await client.check()
        assert sandbox.tokens.requests == 2


@pytest.mark.parametrize("wrong", ["", "  ", 5, b"bytes", "nul\0"])
def test_what_is_no_path_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="token_file must be a path"):
        Config(client_id="a", client_secret="b", seller_id="c", token_file=wrong)  # type: ignore[arg-type]


async def test_no_token_is_shown(path: Path, wall: Wall, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = FileTokenStore(path, clock=wall)
    await store.save(ACCOUNT, token(wall))
    stored = await store.load(ACCOUNT)
    assert "the-token" in path.read_text()
    assert "the-token" not in repr([store, stored, vars(store), vars(store._file)]) + caplog.text


def test_a_lock_is_free_again_when_it_is_released(tmp_path: Path) -> None:
    lock = FileLock.take(tmp_path / "lock")
    assert lock is not None
    assert FileLock.take(tmp_path / "lock") is None
    lock.release()
    lock.release()
    again = FileLock.take(tmp_path / "lock")
    assert again is not None
    again.release()


async def check_alone(folder: Path, reported: str, caplog: pytest.LogCaptureFixture) -> None:
    """Three clients' worth of renewals without a file: each works, and tells it once."""
    async with Sandbox() as sandbox:
        async with FulfillmentClient(sandbox.config(token_file=folder / "tokens.json")) as client:
            for storm in range(1, 4):
                await asyncio.gather(*(client.outbound.count() for _ in range(20)))
                assert sandbox.tokens.requests == storm
                sandbox.tokens.expire_now()
    ours = [record for record in caplog.records if record.name == "octoffm_async"]
    warnings = [record.getMessage() for record in ours if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert reported in warnings[0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("mounting a small tmpfs needs root and the right to mount")
    try:
        yield folder
    finally:
        subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True)


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
    await check_alone(small_disk, os.strerror(errno.ENOSPC), caplog)


async def test_a_disk_that_fills_up_leaves_the_old_file_whole(small_disk: Path, wall: Wall) -> None:
    path = small_disk / "tokens.json"
    store = FileTokenStore(path, clock=wall)
    await store.save(ACCOUNT, token(wall))
    fill(small_disk)
    with pytest.raises(OSError, check=lambda error: error.errno == errno.ENOSPC):
        await store.save(OTHER, token(wall))
    assert (await store.load(ACCOUNT)).token == token(wall)
    assert not path.with_name("tokens.json.new").exists()


async def test_in_a_read_only_folder_a_client_goes_on_alone(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_read_only(small_disk)
    await check_alone(small_disk, "Read-only file system", caplog)


async def test_a_folder_that_cannot_be_made_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    await check_alone(tmp_path / "file" / "folder", "Not a directory", caplog)
