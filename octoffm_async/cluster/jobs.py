"""The tables of jobs in the fleet's database: a job is a file for one seller, cut into chunks of some hundred items.

- A *partition* is one seller and one kind of creation: workers process the chunks of a partition one at a time.
- A *chunk* is ``ready``, ``running``, ``done`` (every item of it is decided), ``stuck`` (some items were not decided in
  several attempts) or ``cancelled``. Its counts are of the whole chunk and replace those of an earlier attempt, so a
  chunk that was processed twice counts once. The counts of a job are the sums over its chunks, and change with them.
- The last chunk of a job that *follows* its orders has no items: a worker looks at the statuses of all of them, again
  and again with pauses, until each has arrived or its time is over. Its counts are those that move: an order that was
  refused late is one created less and one refused more.
- A *queue job* stands for one chunk of a partition. The queue never holds more than one queue job of a partition, so
  it does not grow with the files, and partitions are served in rotation.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, LiteralString, TypeAlias

import msgspec

from ..bulk.durable.settings import PATIENCE
from ..bulk.durable.status_tracking import FOLLOW_FOR, goal_of
from ..contract.inbound import InboundShipmentRequest
from ..contract.operations import CREATE_INBOUND, CREATE_OUTBOUND, CREATE_PRODUCTS
from ..contract.outbound import OutboundShipmentRequest
from ..contract.products import FulfillmentProduct
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..stores.database import Database

CreationKind: TypeAlias = Literal["products", "orders", "inbound"]
JobState: TypeAlias = Literal["loading", "waiting", "running", "done", "cancelled"]
ChunkState: TypeAlias = Literal["ready", "running", "done", "stuck", "cancelled"]

CHUNK: Final = 500
"""Items of a chunk: some seconds of a seller's limit, and a payload of some 100 kB."""
PART: Final = "jobs"
VERSION: Final = 2
"""2: jobs may follow their orders, which older workers would not do."""
COUNTED: Final = ("created", "already", "refused", "failed", "unknown", "unsent")

_COUNTS: LiteralString = ", ".join(f"{name} bigint NOT NULL DEFAULT 0" for name in COUNTED)  # pyright: ignore[reportAssignmentType]
STATEMENTS: tuple[LiteralString, ...] = (
    """CREATE TABLE IF NOT EXISTS octoffm_lanes (
        lane bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        seller text NOT NULL,
        operation text NOT NULL,
        UNIQUE (seller, operation))""",
    f"""CREATE TABLE IF NOT EXISTS octoffm_jobs (
        job text PRIMARY KEY,
        lane bigint NOT NULL REFERENCES octoffm_lanes,
        state text NOT NULL DEFAULT 'loading',
        source text NOT NULL,
        how jsonb NOT NULL,
        run text,
        items bigint NOT NULL DEFAULT 0,
        faulty bigint NOT NULL DEFAULT 0,
        chunks int NOT NULL DEFAULT 0,
        ended int NOT NULL DEFAULT 0,
        stuck int NOT NULL DEFAULT 0,
        {_COUNTS},
        submitted_at timestamptz NOT NULL DEFAULT now(),
        turned_at timestamptz,
        began_at timestamptz,
        ended_at timestamptz)""",
    "CREATE INDEX IF NOT EXISTS octoffm_jobs_open ON octoffm_jobs (lane) WHERE state = 'open'",
    f"""CREATE TABLE IF NOT EXISTS octoffm_chunks (
        job text NOT NULL REFERENCES octoffm_jobs ON DELETE CASCADE,
        number int NOT NULL,
        state text NOT NULL DEFAULT 'ready',
        items int NOT NULL,
        payload bytea NOT NULL,
        tries int NOT NULL DEFAULT 0,
        begun int NOT NULL DEFAULT 0,
        ready_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        problem text NOT NULL DEFAULT '',
        {_COUNTS},
        PRIMARY KEY (job, number)) WITH (fillfactor = 70)""",
    "ALTER TABLE octoffm_chunks ALTER COLUMN payload SET STORAGE EXTERNAL",  # the payload is compressed already
    """CREATE INDEX IF NOT EXISTS octoffm_chunks_open ON octoffm_chunks (job, number)
        WHERE state IN ('ready', 'running')""",
    """CREATE TABLE IF NOT EXISTS octoffm_workers (
        worker bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        machine text NOT NULL,
        pid int NOT NULL,
        places int NOT NULL,
        turns int NOT NULL DEFAULT 0,
        items bigint NOT NULL DEFAULT 0,
        per_second double precision NOT NULL DEFAULT 0,
        calls bigint NOT NULL DEFAULT 0,
        throttled bigint NOT NULL DEFAULT 0,
        began_at timestamptz NOT NULL DEFAULT now(),
        seen_at timestamptz NOT NULL DEFAULT now())""",
)


class CreationType(msgspec.Struct, frozen=True):
    """A kind of creation: its operation, the type of its items, and the field that is their key."""

    kind: CreationKind
    operation: str
    type: Any
    key: str
    followed_as: Literal["outbound", "inbound"] | None = None
    """The kind of order whose status can be followed, if it has one."""


CREATIONS: Final[dict[str, CreationType]] = {
    "products": CreationType("products", CREATE_PRODUCTS.name, FulfillmentProduct, "seller_product_reference"),
    "orders": CreationType("orders", CREATE_OUTBOUND.name, OutboundShipmentRequest, "reference", "outbound"),
    "inbound": CreationType("inbound", CREATE_INBOUND.name, InboundShipmentRequest, "reference", "inbound"),
}


def creation_type_of(name: str) -> CreationType:
    """Return a kind of creation by its name (``orders``) or its operation (``outbound.create``).

    Raises:
        ConfigurationError: no kind has that name.
    """
    for creation in CREATIONS.values():
        if name in (creation.kind, creation.operation):
            return creation
    raise ConfigurationError(f"no job creates {name!r}: it must be one of {', '.join(CREATIONS)}")


class JobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a job; see ``client.bulk``."""

    patience: float = PATIENCE
    resend_unknown: bool = False
    follow: str | None = None
    follow_for: float = FOLLOW_FOR

    def check(self, creation: CreationType) -> None:
        """Check that orders of this kind can be followed as wanted.

        Raises:
            ConfigurationError: They cannot.
        """
        if self.follow is None:
            return
        kind = creation.followed_as
        if kind is None:
            raise ConfigurationError(f"{creation.kind} have no status to follow")
        goal_of(kind, self.follow, self.follow_for)


class ItemCounts(msgspec.Struct, kw_only=True):
    """The outcomes of items, counted.

    ``already``: created before by another job or call; ``unsent``: not sent yet, or put off.
    """

    created: int = 0
    already: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    unsent: int = 0

    @property
    def decided(self) -> int:
        """Items with a final outcome."""
        return self.created + self.already + self.refused

    @property
    def left(self) -> int:
        """Items that another attempt may decide."""
        return self.failed + self.unknown + self.unsent

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in COUNTED}


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A job's current record. ``faulty`` counts rejected items of its file; ``ended`` and ``stuck`` count chunks."""

    job: str
    seller: str
    operation: str
    state: JobState
    source: str
    run: str | None
    items: int
    faulty: int
    chunks: int
    ended: int
    stuck: int
    counts: ItemCounts
    submitted_at: datetime
    began_at: datetime | None
    ended_at: datetime | None

    @property
    def is_over(self) -> bool:
        """True if no worker will process more of the job."""
        return self.state in ("done", "cancelled")

    @property
    def left(self) -> int:
        """Items without a final outcome."""
        return self.items - self.counts.decided


def new_job_id() -> str:
    """Return an id that sorts by time, such as ``20260801-101500-3fa1b2``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def partition_lock(partition: int) -> str:
    """Return the name of procrastinate's lock for a partition."""
    return f"octoffm:{partition}"


async def prepare(database: Database) -> None:
    """Create the tables of jobs."""
    await database.prepare(PART, VERSION, STATEMENTS)
