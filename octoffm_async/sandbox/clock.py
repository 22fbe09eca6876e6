"""The sandbox's wall clock: it runs by itself and can be driven, so that a day of life cycles costs a test no time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_END = datetime(9000, 1, 1, tzinfo=UTC)
"""No jump goes further: what is scheduled from there on would be past the last date there is."""


class Clock:
    """A wall clock that starts now, runs ``speed`` times as fast as the real one, and jumps when told to.

    It rules life cycles and timestamps. It does not rule the life of tokens and the request limits: a client measures
    those in real time. ``speed=0`` stops it, so that only :meth:`advance` moves it.
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
        """The time, aware, in UTC."""
        return self._origin + timedelta(seconds=self.elapsed())

    def elapsed(self) -> float:
        """Seconds of this clock since it was made."""
        return (self._monotonic() - self._began) * self.speed + self._advanced

    def advance(self, seconds: float) -> None:
        """Jump ahead; what falls due on the way happens at once."""
        if seconds < 0:
            raise ValueError(f"seconds = {seconds}: a clock cannot run backwards")
        if self.elapsed() + seconds > (_END - self._origin).total_seconds():
            raise ValueError(f"seconds = {seconds}: the clock ends with the year {_END.year - 1}")
        self._advanced += seconds
        for listener in self._listeners:
            listener()

    def resume(self, moment: datetime) -> None:
        """Go on from a moment of an earlier life: from then if the clock stands, else from now if that is later."""
        ahead = moment - self.now()
        if ahead > timedelta() or self.speed == 0:
            self._origin += ahead

    def on_advance(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` after each jump."""
        self._listeners.append(listener)
