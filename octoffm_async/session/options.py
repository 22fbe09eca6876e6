"""Options that a caller may set for its calls, in place of the configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from ..errors import ConfigurationError
from ..header_rules import checked_headers, joined_headers
from ..ratelimit.priority_queue import Priority
from ..settings.values import is_above_zero, is_whole
from ..transport.fences import Fence
from ..transport.response import Response

if TYPE_CHECKING:
    from ..config import Config

LANES = ("interactive", "bulk")


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of calls; None means the configured value. Times are in seconds.

    ``deadline`` bounds the whole call, waits and retries included, ``timeout`` the silence while a response is awaited,
    ``retries`` the repetitions (0: none, not even after a 429). ``lane`` is the priority of the call within a limit:
    ``interactive`` calls go before ``bulk`` calls. ``on_response`` is called with each raw response, of every attempt.
    ``fence`` is checked right before the bytes of a creation are sent, and may stop it. ``on_bad_row`` decides about a
    row of a list that has no identity: ``raise`` (the default) or ``skip`` it. ``fresh`` asks caches on the way to
    request the response from the API itself. ``strict_references`` rejects the creation of an item whose reference an
    API may keep in another form. ``headers`` are sent in addition, as pairs of name and value.
    """

    deadline: float | None = None
    timeout: float | None = None
    retries: int | None = None
    lane: Priority | None = None
    on_response: Callable[[Response], object] | None = None
    fence: Fence | None = None
    on_bad_row: Literal["raise", "skip"] | None = None
    fresh: bool = False
    strict_references: bool | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in ("deadline", "timeout"):
            value = getattr(self, name)
            if value is not None and not is_above_zero(value):
                raise ConfigurationError(f"{name} must be above zero, not {value!r}")
        if self.retries is not None and (not is_whole(self.retries) or self.retries < 0):
            raise ConfigurationError(f"retries must be a whole number from 0 on, not {self.retries!r}")
        if self.lane is not None and self.lane not in LANES:
            raise ConfigurationError(f"lane must be one of {', '.join(LANES)}, not {self.lane!r}")
        if self.on_bad_row not in (None, "raise", "skip"):
            raise ConfigurationError(f"on_bad_row must be raise or skip, not {self.on_bad_row!r}")
        listener: object = self.on_response
        if listener is not None and (not callable(listener) or inspect.iscoroutinefunction(listener)):
            raise ConfigurationError(f"on_response must be a plain function, not {self.on_response!r}")

    def __repr__(self) -> str:
        """Show the options that are set, of headers only the names."""
        shown = {name: value for name, value in msgspec.structs.asdict(self).items() if value not in (None, ())}
        if self.headers:
            shown["headers"] = [name for name, _ in self.headers]
        return f"CallOptions({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def changed(self, **changes: Any) -> Self:
        """Return a copy with these options; None stands for the configured value."""
        return msgspec.structs.replace(self, **changes)

    def with_headers(self, headers: Mapping[str, str] | None) -> Self:
        """Return a copy with more headers, None for those of the configuration alone.

        Raises:
            ConfigurationError: One cannot be sent, or is the client's own.
        """
        if headers is None:
            return msgspec.structs.replace(self, headers=())
        joined = joined_headers(dict(self.headers), checked_headers("headers", headers))
        return msgspec.structs.replace(self, headers=tuple(joined.items()))

    def for_bulk(self, config: Config) -> Self:
        """Return a copy for the calls of a bulk run, which waits out long pauses and lets other calls go first."""
        return msgspec.structs.replace(self, deadline=self.deadline or config.bulk_deadline, lane=self.lane or "bulk")


DEFAULTS = CallOptions()
