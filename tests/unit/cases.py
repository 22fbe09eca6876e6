"""Tables with hundreds of lines in one test: a test of its own for each would cost more than what it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pytest


class Cases:
    """Tries every case, whatever became of those before, and tells at the end all that failed."""

    def __init__(self) -> None:
        self.failed: list[Exception] = []
        self.tried = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if raised[1] is not None:
            return
        assert self.tried
        if self.failed:
            raise ExceptionGroup(f"{len(self.failed)} of {self.tried} cases failed", self.failed)

    @contextmanager
    def case(self, *name: object) -> Iterator[None]:
        """One case, whose failure is told by its name."""
        self.tried += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  (whatever it is, the next is tried)
            told = AssertionError(ascii(name))
            told.__cause__ = error
            self.failed.append(told)
