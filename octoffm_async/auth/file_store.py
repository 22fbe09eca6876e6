"""A token store in a file that the processes of one machine share."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..disk.private_file import FileLock
from .entries import TokenEntry
from .store import QuotaBucket, TokenRecord
from .token_file import TokenFile

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ..config import Secret
    from .store import SharedRefusal, SharedToken, TokenAccount
    from .token_file import TokenFileContent

T = TypeVar("T")


class FileTokenStore:
    """Tokens in one file, shared by all processes of this machine and user that name it.

    Several accounts may share the file; a client finds a token only with its secret. Only the owner can read the file
    (mode 0600), and its folder if the store creates it. Beside it are empty files for locks: one for each account, held
    during a renewal, and one for writing. Locks end with their holder, however it ended. The folder should be on this
    machine: not all network file systems support locks.

    A file that is damaged, of another version or no token file is ignored with a warning and, at the next renewal,
    renamed to its name with ``.ignored`` appended. Where the file cannot be written, clients go on with tokens of their
    own. On Windows the access rights are those of the folder; they are not checked.

    Raises:
        ConfigurationError: Others can write the folder, or read or write the file, or one of them is a symbolic link.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        self.path: Path = Path(path).expanduser().absolute()
        self._file = TokenFile(self.path)
        self._clock = clock
        try:
            self._file.read()
        except OSError:
            pass  # a client that uses the store logs it, and goes on without

    def now(self) -> float:
        """Return the wall-clock time in seconds."""
        return self._clock()

    async def load(self, account: TokenAccount) -> TokenRecord:
        """Return the data of an account."""
        sheet = await asyncio.to_thread(self._file.read)
        entry = sheet.accounts.get(account.key, TokenEntry())
        return TokenRecord(entry.token, entry.refusal)

    async def acquire_renewal_lock(self, account: TokenAccount, *, lease: float) -> object | None:  # noqa: ARG002  (it dies by itself)
        """Acquire the lock on the account's renewal; None if another process holds it."""
        taking = asyncio.get_running_loop().run_in_executor(None, self._file.renewal_lock, account.key)
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(_give_back)  # the thread goes on, and may acquire the unwanted lock
            raise

    async def release_renewal_lock(self, account: TokenAccount, lock: object) -> None:  # noqa: ARG002
        """Release the lock on the account's renewal."""
        if isinstance(lock, FileLock):
            lock.release()

    async def save(self, account: TokenAccount, token: SharedToken) -> None:
        """Store a new token."""

        def change(sheet: TokenFileContent) -> None:
            sheet.accounts[account.key] = TokenEntry(token=token)

        await self._change(change)

    async def drop(self, account: TokenAccount, refused: Secret) -> None:
        """Delete the token if it is ``refused``."""

        def change(sheet: TokenFileContent) -> None:
            entry = sheet.accounts.get(account.key)
            if entry is not None and entry.token is not None and entry.token.secret == refused:
                entry.token = None

        await self._change(change)

    async def refuse(self, account: TokenAccount, refusal: SharedRefusal) -> None:
        """Store a refusal of the credentials."""

        def change(sheet: TokenFileContent) -> None:
            sheet.accounts[account.key] = TokenEntry(refusal=refusal)

        await self._change(change)

    async def clear_refusal(self, account: TokenAccount) -> None:
        """Delete a refusal."""

        def change(sheet: TokenFileContent) -> None:
            if (entry := sheet.accounts.get(account.key)) is not None:
                entry.refusal = None

        await self._change(change)

    async def admit(self, account: TokenAccount) -> float:
        """Count one token call and return 0, or return the seconds to wait."""
        now, waits = self.now(), [0.0]

        def change(sheet: TokenFileContent) -> None:
            sheet.calls[account.client], waits[0] = sheet.calls.get(account.client, QuotaBucket()).take(now)

        await self._change(change)
        return waits[0]

    async def _change(self, change: Callable[[TokenFileContent], None]) -> None:
        await asyncio.to_thread(self._file.change, change, now=self.now())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"


def _give_back(taking: asyncio.Future[FileLock | None]) -> None:
    if not taking.cancelled() and taking.exception() is None and (lock := taking.result()) is not None:
        lock.release()
