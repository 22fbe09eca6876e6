"""The clients that are compared, one file each: what they are called, and which packages they need."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .base import Peer

TUNED = "aiohttp tuned"
"""What all others are compared with."""
ALL_KINDS = ("post", "get", "page")


class Entry(NamedTuple):
    """One peer: ``make`` is ``module:name`` under this package; ``needs`` are modules that must be installed."""

    name: str
    make: str
    needs: tuple[str, ...] = ()
    ours: bool = False
    kinds: tuple[str, ...] = ALL_KINDS
    threads: bool = False
    """Whether it has no event loop of its own to run on."""


ENTRIES = (
    Entry("octoffm_async", "ours:without_hook", ours=True),
    Entry("octoffm_async, LoggingHook", "ours:with_logging", ours=True),
    Entry("octoffm_async, OpenTelemetry", "ours:with_telemetry", ("octoffm_async.telemetry", "opentelemetry"), ours=True),
    Entry("octoffm_async, item by item", "ours:item_by_item", ours=True, kinds=("page",)),
    Entry(TUNED, "tuned:Tuned"),
    Entry("aiohttp naive", "naive:Naive"),
    Entry("httpx + pydantic, best settings", "httpx_pydantic:Best", ("httpx", "pydantic")),
    Entry("httpx + pydantic, defaults", "httpx_pydantic:Default", ("httpx", "pydantic")),
    Entry("requests in threads", "requests_threads:Threads", ("requests",), threads=True),
    Entry("Stainless-style SDK", "stainless:Stainless", ("httpx", "pydantic")),
    Entry("pyreqwest (Rust)", "pyreqwest_peer:Pyreqwest", ("pyreqwest",)),
    Entry("wreq (Rust)", "wreq_peer:Wreq", ("wreq",)),
    Entry("floor: protocol by hand", "floor:Floor"),
)


def installed(*, kind: str | None = None, names: tuple[str, ...] = ()) -> list[Entry]:
    """The peers whose packages are there, and which do this ``kind`` of call.

    Raises:
        LookupError: one of the ``names`` is no peer, or not installed.
    """
    there = [entry for entry in ENTRIES if all(_is_there(module) for module in entry.needs)]
    if unknown := set(names) - {entry.name for entry in there}:
        raise LookupError(f"no such peer, or not installed: {', '.join(sorted(unknown))}")
    chosen = [entry for entry in there if not names or entry.name in names]
    return [entry for entry in chosen if kind is None or kind in entry.kinds]


def missing() -> list[str]:
    """The peers that are left out because a package is not installed."""
    there = {entry.name for entry in installed()}
    return [entry.name for entry in ENTRIES if entry.name not in there]


def make(name: str) -> Peer:
    """The peer of this name, not yet open."""
    entry = next(entry for entry in ENTRIES if entry.name == name)
    module, _, attribute = entry.make.partition(":")
    peer: Peer = getattr(importlib.import_module(f".{module}", __name__), attribute)()
    return peer


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
