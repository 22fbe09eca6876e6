"""Files with secrets, used only where no other user can read, change or exchange them."""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

if sys.platform == "win32":

    def _own_uid() -> int | None:
        return None  # files have access lists there, which they inherit from their folder

    def replace_file(fresh: Path, path: Path) -> None:
        """Replace ``path`` by ``fresh``; retry for a while, because that fails while a reader has the file open."""
        for _ in range(50):
            try:
                fresh.replace(path)
            except PermissionError:
                time.sleep(0.01)
            else:
                return
        fresh.replace(path)

else:

    def _own_uid() -> int | None:
        return os.geteuid()

    def replace_file(fresh: Path, path: Path) -> None:
        """Replace ``path`` by ``fresh``."""
        fresh.replace(path)


def prepare_folder(folder: Path) -> None:
    """Create the folder for its owner alone if it does not exist, and check it.

    Raises:
        ConfigurationError: Others can write the folder, it belongs to another user, or it is a link or no folder.
        OSError: The folder cannot be created.
    """
    try:
        status = folder.lstat()
    except FileNotFoundError:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        status = folder.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(f"{folder} is a symbolic link: name the folder itself")
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"{folder} is no folder")
    uid = _own_uid()
    if uid is None:
        return
    if status.st_uid not in (uid, 0):
        raise ConfigurationError(f"the folder {folder} belongs to another user")
    if status.st_mode & _OTHERS_WRITE:
        raise ConfigurationError(
            f"others can write the folder {folder}, where secrets are to be kept: use a folder of your own (chmod 700)"
        )


def prepare_file(path: Path) -> None:
    """Create an empty file for its owner alone if there is none, and check it by its name.

    A file that exists is not opened: closing it again would end the locks that this process holds on it. In a folder
    that only the owner can write nobody exchanges it after the check.

    Raises:
        ConfigurationError: The path is a link or no file, belongs to another user, or other users can read or write it.
        OSError: The file cannot be created.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), MODE))
        except FileExistsError:  # another process created it in the meantime
            pass
        status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(f"{path} is a symbolic link: name the file itself")
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"{path} is no plain file")
    uid = _own_uid()
    if uid is None:
        return
    if status.st_uid != uid:
        raise ConfigurationError(f"{path} belongs to another user")
    if status.st_mode & _OTHERS:
        raise ConfigurationError(
            f"others can read or write {path}, which holds secrets: make it yours alone (chmod 600), or remove it"
        )
