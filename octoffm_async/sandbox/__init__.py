"""An emulator of Octopia's fulfillment API, for tests, examples, benchmarks and users' own CI.

Octopia has no public sandbox. This one is a real HTTP server on a loopback port. It has the token endpoint, the
operations, the refusals and the life cycles as far as public sources describe them, limits and faults on demand, and
counters of what was really created. It shares the contract with the client and nothing else, so it can serve any client
written for the real API.
"""

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from octoffm_async.contract.operation import Group

    from .base import BaseSandbox
    from .faults import Fault, Faults
    from .http.request_log import RequestRecord, Requests
    from .http.tokens import Tokens
    from .process import SandboxProcess, SandboxStartError
    from .sandbox import Sandbox
    from .settings import Inspection, Reception, ResponseStyle, Timeline
    from .thread import SandboxThread
    from .world.clock import Clock
    from .world.state_file import StateFileError
    from .world.world import Effects
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "octoffm_async.contract.operation": ("Group",),
            "octoffm_async.sandbox.world.clock": ("Clock",),
            "octoffm_async.sandbox.base": ("BaseSandbox",),
            "octoffm_async.sandbox.faults": ("Fault", "Faults"),
            "octoffm_async.sandbox.process": ("SandboxProcess", "SandboxStartError"),
            "octoffm_async.sandbox.http.request_log": ("RequestRecord", "Requests"),
            "octoffm_async.sandbox.sandbox": ("Sandbox",),
            "octoffm_async.sandbox.settings": ("Inspection", "Reception", "ResponseStyle", "Timeline"),
            "octoffm_async.sandbox.world.state_file": ("StateFileError",),
            "octoffm_async.sandbox.thread": ("SandboxThread",),
            "octoffm_async.sandbox.http.tokens": ("Tokens",),
            "octoffm_async.sandbox.world.world": ("Effects",),
        },
    )


__all__ = [
    "BaseSandbox",
    "Clock",
    "Effects",
    "Fault",
    "Faults",
    "Group",
    "Inspection",
    "Reception",
    "RequestRecord",
    "Requests",
    "ResponseStyle",
    "Sandbox",
    "SandboxProcess",
    "SandboxStartError",
    "SandboxThread",
    "StateFileError",
    "Timeline",
    "Tokens",
]
