"""The compared clients, one file each: their names and the packages that they need."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .base import Peer

OURS = "octoffm_async"
LEARNED = f"{OURS}, learned spelling"
CONTRACT = f"{OURS}, contract file"
TUNED = "aiohttp tuned"
"""The peer that all others are compared with."""
ALL_KINDS = ("post", "get", "page")


class Entry(NamedTuple):
    """One peer: ``make`` is ``module:name`` under this package; ``needs`` are modules that must be installed."""

    name: str
    make: str
    needs: tuple[str, ...] = ()
    ours: bool = False
    kinds: tuple[str, ...] = ALL_KINDS
    threads: bool = False
    """True if it has no event loop of its own to run on."""
    note: str = ""
    """A note for the reader."""


ENTRIES = (
    Entry(OURS, "ours:Ours", ours=True, note="the client as it comes: token, limit, retries, deadline and logging"),
    Entry(f"{OURS}, no logging", "ours:without_hook", ours=True),
    Entry(
        f"{OURS}, OpenTelemetry",
        "ours:with_telemetry",
        ("octoffm_async.telemetry", "opentelemetry.sdk"),
        ours=True,
        note="every span and metric is made, none is exported",
    ),
    Entry(f"{OURS}, item by item", "ours:item_by_item", ours=True, kinds=("page",)),
    Entry(LEARNED, "ours:learned", ours=True, kinds=("get", "page"), note="the API writes all names in PascalCase"),
    Entry(CONTRACT, "ours:with_contract", ours=True, note="a contract file gives other names of the same length"),
    Entry(TUNED, "tuned:Tuned", note="no token, limit, retry or deadline: what a careful user writes for one call"),
    Entry(
        f"{TUNED}, OpenTelemetry",
        "tuned:instrumented",
        ("opentelemetry.sdk", "opentelemetry.instrumentation.aiohttp_client"),
        note="OpenTelemetry's own instrumentation: spans only, none is exported",
    ),
    Entry("aiohttp naive", "naive:Naive"),
    Entry(
        "httpx + pydantic, best settings",
        "httpx_pydantic:Best",
        ("httpx", "pydantic"),
        note="a client for each call in flight, because httpx's pool looks at all idle connections for every request",
    ),
    Entry("httpx + pydantic, defaults", "httpx_pydantic:Default", ("httpx", "pydantic")),
    Entry(
        "requests in threads", "requests_threads:Threads", ("requests",), threads=True, note="a thread for each call"
    ),
    Entry(
        "httpx2 + pydantic", "httpx_pydantic:Httpx2", ("httpx2", "pydantic"), note="one client, 200 connections kept"
    ),
    Entry(
        "generated SDK (openai's runtime)",
        "openai_runtime:OpenAIRuntime",
        ("openai", "pydantic"),
        note="what Stainless generates: retries, lazy models; its own limits (100 connections kept)",
    ),
    Entry("pyreqwest (Rust)", "pyreqwest_peer:Pyreqwest", ("pyreqwest",)),
    Entry("wreq (Rust)", "wreq_peer:Wreq", ("wreq",)),
    Entry("floor: protocol by hand", "floor:Floor", note="no pool, time-outs or checks to speak of: nothing to use"),
)


def installed(*, kind: str | None = None, names: tuple[str, ...] = ()) -> list[Entry]:
    """Return the peers whose packages are installed, and which do this ``kind`` of call.

    Raises:
        LookupError: One of the ``names`` is not a peer, or not installed.
    """
    there = [entry for entry in ENTRIES if all(_is_there(module) for module in entry.needs)]
    if unknown := set(names) - {entry.name for entry in there}:
        raise LookupError(f"no such peer, or not installed: {', '.join(sorted(unknown))}")
    chosen = [entry for entry in there if not names or entry.name in names]
    return [entry for entry in chosen if kind is None or kind in entry.kinds]


def missing() -> list[str]:
    """Return the peers that are left out because a package is not installed."""
    there = {entry.name for entry in installed()}
    return [entry.name for entry in ENTRIES if entry.name not in there]


def make(name: str) -> Peer:
    """Return the peer of this name, not yet open."""
    entry = next(entry for entry in ENTRIES if entry.name == name)
    module, _, attribute = entry.make.partition(":")
    peer: Peer = getattr(importlib.import_module(f".{module}", __name__), attribute)()
    return peer


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor its parent
        return False
