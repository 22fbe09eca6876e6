"""Loading and saving of a world in a state file, so that it outlives its server."""

import asyncio
from collections.abc import Mapping
from random import Random

from .snapshot import restore_snapshot, take_snapshot
from .statefile import StateFile, StateFileError
from .world import World


class StateStore:
    """Loader and saver of one world. It never writes a file that it could not load."""

    def __init__(self, world: World, generators: Mapping[str, Random], file: StateFile | None) -> None:
        self._world = world
        self._generators = generators
        self._file = file
        self._loaded = False
        self._failure: StateFileError | None = None
        self._lock = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """True once the world is loaded, or once the sandbox has found no file to load."""
        return self._loaded

    async def load(self) -> bool:
        """Load the world at the first start; return True if there was a file to load.

        Raises:
            StateFileError: the file is unusable; every later call raises the same error.
        """
        if self._failure is not None:
            raise self._failure
        content = None
        if self._file is not None:
            content = await asyncio.to_thread(self._file.read)
            if content is not None:
                self._restore(self._file, content)
        self._loaded = True
        return content is not None

    async def save(self) -> None:
        """Save the world if it has a state file and was loaded."""
        if self._file is None or not self._loaded:
            return
        async with self._lock:
            await asyncio.to_thread(self._file.write, take_snapshot(self._world, self._generators))

    async def save_and_report(self) -> dict[str, object]:
        """Save the world and return the path of the file.

        Raises:
            ValueError: the sandbox has no state file.
        """
        if self._file is None:
            raise ValueError("this sandbox has no state file")
        await self.save()
        return {"state_file": str(self._file.path)}

    def _restore(self, file: StateFile, content: bytes) -> None:
        try:
            restore_snapshot(self._world, self._generators, content)
        except (ValueError, LookupError, TypeError) as error:
            self._failure = StateFileError(f"state file {file.path} does not fit this version: {error}")
            raise self._failure from error
