"""An emulator of Octopia's fulfillment API, for tests, examples, benchmarks and users' own CI.

Octopia has no public sandbox. This one is a real HTTP server on a loopback port. It has the token endpoint, the
operations, the refusals and the life cycles as far as public sources describe them, limits and faults on demand, and
counters of what was really created. It shares the contract with the client and nothing else, so it can serve any client
written for the real API.
"""

from octoffm_async.contract.operations import Group

from .clock import Clock
from .face import SandboxFace
from .faults import Fault, Faults
from .process import SandboxProcess, SandboxStartError
from .records import Arrival, Requests
from .sandbox import Sandbox
from .settings import Inspection, Reception, Style, Timeline
from .statefile import StateFileError
from .thread import SandboxThread
from .tokens import Tokens
from .world import Effects

__all__ = [
    "Arrival",
    "Clock",
    "Effects",
    "Fault",
    "Faults",
    "Group",
    "Inspection",
    "Reception",
    "Requests",
    "Sandbox",
    "SandboxFace",
    "SandboxProcess",
    "SandboxStartError",
    "SandboxThread",
    "StateFileError",
    "Style",
    "Timeline",
    "Tokens",
]
