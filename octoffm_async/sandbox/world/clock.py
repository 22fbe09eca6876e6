"""The sandbox's wall clock. It runs by itself and can jump ahead, so that a test need not wait for life cycles."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_END = datetime(9000, 1, 1, tzinfo=UTC)
"""End of the clock: events scheduled later than this could exceed ``datetime.max``."""


class Clock:
    """A wall clock that starts now, runs ``speed`` times as fast as the real one, and jumps ahead on demand.

    It governs life cycles and timestamps. It does not govern the life of tokens and the request limits: a client
    measures those in real time. With ``speed=0`` the clock stands still, and only :meth:`advance` moves it.
    """

    def __init__(self, *, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        if speed < 0:
            raise ValueError(f"speed = {speed}: a clock cannot run backwards")
        self.speed = speed
        self._monotonic = monotonic
        self._began = monotonic()
        self._origin = datetime.now(UTC)
        self._advanced = 0.0
        self._listeners: list[Callable[[], object]] = []

    def now(self) -> datetime:
        """Return the time as an aware ``datetime`` in UTC."""
        return self._origin + timedelta(seconds=self.elapsed())

    def elapsed(self) -> float:
        """Return the seconds of this clock since its creation."""
        return (self._monotonic() - self._began) * self.speed + self._advanced

    def advance(self, seconds: float) -> None:
        """Jump ahead by ``seconds`` of this clock; events that become due run before this method returns.

        Raises:
            ValueError: ``seconds`` is negative, or the clock would pass the year 8999.
        """
        if seconds < 0:
            raise ValueError(f"seconds = {seconds}: a clock cannot run backwards")
        if self.elapsed() + seconds > (_END - self._origin).total_seconds():
            raise ValueError(f"seconds = {seconds}: the clock ends with the year {_END.year - 1}")
        self._advanced += seconds
        for listener in self._listeners:
            listener()

    def resume(self, moment: datetime) -> None:
        """Continue from the time of a saved state; a running clock does so only if that time lies ahead."""
        ahead = moment - self.now()
        if ahead > timedelta() or self.speed == 0:
            self._origin += ahead

    def on_advance(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` after each jump."""
        self._listeners.append(listener)
