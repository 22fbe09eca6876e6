"""PostgreSQL and Redis servers for benchmarks and tests, on free loopback ports, with all their files in one folder.

They are started from installed programs. As root, PostgreSQL is run as the user ``postgres``, because it refuses root.
They end with the process that started them, however it ends, and their folders are removed too.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

HOW_TO_GET = "Debian: apt-get install postgresql redis-server"
START_WITHIN = 60.0


class Missing(Exception):  # noqa: N818  (not an error: the reason for a skip)
    """A server that is not installed."""


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program(name: str) -> str:
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    if found is None:
        raise Missing(f"{name} is not installed ({HOW_TO_GET})")
    return found


class Guard:
    """A process that ends a server when its input closes, which only the process that started the server holds.

    It runs ``ending``, a piece of shell, in ``folder``, and removes the folder. No signal from a terminal reaches it.
    """

    def __init__(self, ending: str, folder: Path, user: str | None = None) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", f'read -r _; cd "$0" && {{ {ending}; }}; cd /; rm -rf "$0"', str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=user,
            start_new_session=True,
        )

    def leave(self) -> None:
        """End the server now, and wait until it and its folder are gone."""
        self._process.communicate()


class _Server:
    """A server on a port of its own that keeps all files in ``folder``, and is guarded before it starts."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.port = free_port()

    def __enter__(self) -> Self:
        self._guard = self._guarded()
        try:
            self._set_up()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guard.leave()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop the server at once, as a crash does."""
        raise NotImplementedError

    def restart(self) -> None:
        """Stop the server and start it again."""
        self.stop()
        self.start()

    def _guarded(self) -> Guard:
        raise NotImplementedError

    def _set_up(self) -> None:
        """Prepare the server's folder."""


class PostgresServer(_Server):
    """A PostgreSQL server. ``address(database)`` is the address of one of its databases, created if needed.

    Its folder is made in ``parent``, or in the folder of temporary files.
    """

    def __init__(self, parent: str | None = None) -> None:
        self._initdb, self._postgres, self._pg_ctl = map(_program, ("initdb", "postgres", "pg_ctl"))
        self._user = "postgres" if os.name == "posix" and os.geteuid() == 0 else None
        super().__init__(tempfile.mkdtemp(prefix="octoffm-postgres-", dir=parent))

    def _guarded(self) -> Guard:
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        stop = shlex.join([self._pg_ctl, "stop", "-w", "-D", "data", "-m", "immediate"])
        return Guard(stop, self.folder, self._user)

    def _set_up(self) -> None:
        self._run(self._initdb, "-U", "octoffm", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        settings = f"""
            listen_addresses = '127.0.0.1'
            port = {self.port}
            unix_socket_directories = ''
            max_connections = 200
            shared_buffers = 64MB
            fsync = off
            """
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(line.strip() for line in settings.splitlines()))

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        log = str(self.folder / "log")
        self._run(self._pg_ctl, "start", "-w", "-s", "-t", str(int(START_WITHIN)), "-l", log)

    def stop(self) -> None:
        """Stop the server at once, as a crash does: unfinished transactions are lost."""
        self._run(self._pg_ctl, "stop", "-w", "-s", "-m", "immediate")

    @property
    def pid(self) -> int:
        """The id of the server's first process."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def address(self, database: str = "postgres") -> str:
        """Return the address of a database, which is created if it does not exist."""
        import psycopg
        from psycopg import sql

        root = f"postgresql://octoffm@127.0.0.1:{self.port}"
        with psycopg.connect(f"{root}/postgres", autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
            if there is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return f"{root}/{database}"

    def drop(self, database: str) -> None:
        """Remove a database, whoever uses it."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(f"postgresql://octoffm@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def _run(self, *command: str) -> None:
        program, *arguments = command
        with tempfile.TemporaryFile() as output:  # not a pipe: the server would keep it open
            done = subprocess.run(
                [program, "-D", str(self.folder / "data"), *arguments],
                check=False,
                user=self._user,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            if done.returncode:
                output.seek(0)
                raise RuntimeError(f"{program}: {output.read().decode(errors='replace')}")


class RedisServer(_Server):
    """A Redis server that keeps nothing on disk."""

    def __init__(self) -> None:
        found = shutil.which("redis-server")
        if found is None:
            raise Missing(f"redis-server is not installed ({HOW_TO_GET})")
        self._program = found
        super().__init__(tempfile.mkdtemp(prefix="octoffm-redis-"))
        self._pid = self.folder / "pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The address of the server."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __exit__(self, *_: object) -> None:
        self.stop()
        super().__exit__()

    def _guarded(self) -> Guard:
        return Guard("kill -KILL $(cat pid)", self.folder)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "pidfile": self._pid}
        self._process = subprocess.Popen(
            [self._program, *(part for name, value in options.items() for part in (f"--{name}", str(value)))],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends = time.monotonic() + START_WITHIN
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            if time.monotonic() > ends or self._process.poll() is not None:
                raise RuntimeError("redis-server does not answer")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server; its data is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._pid.unlink(missing_ok=True)
