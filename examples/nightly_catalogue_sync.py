"""Register a catalogue night after night: each product once, however often the job is killed.

``python examples/nightly_catalogue_sync.py [FILE]`` runs against a sandbox in this process; with the ``OCTOFFM_…``
variables exported it runs against the real API, or against ``octoffm sandbox`` in another terminal. Kill it at any
moment and start it again: the journal (``catalogue.journal``, in the current folder) knows what was sent, so the job
continues where it stopped. The next night only new rows are sent. A row that has changed since is refused: the API has
no call that changes a product.

Exit codes, for cron: 0 all products are registered, 1 some rows need a person (see ``catalogue.rejects.csv``), 3 the
outcome of some is unknown: start it again, and it looks them up.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from octoffm_async import Created, Failed, FulfillmentClient, Outcome, Refused, Skipped, Unknown
from octoffm_async.sandbox import Sandbox
from octoffm_async.tabular import read_products

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CATALOGUE = Path(__file__).parent / "catalogue.csv"
MAPPING = {"gtin": "ean", "title": "name"}  # length_cm and the like are columns of the fields' own names


class Night(NamedTuple):
    """The result of a night."""

    new: int
    known: int
    rejected: int
    undecided: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """The exit code, see the module's docstring."""
        return 3 if self.undecided else 1 if self.rejected else 0


@asynccontextmanager
async def open_client(catalogue: Path) -> AsyncGenerator[tuple[FulfillmentClient, Path]]:
    """Open a client and its journal: of the real API when its variables are set, else of a sandbox that is empty."""
    if any(name.startswith("OCTOFFM_") for name in os.environ):
        async with FulfillmentClient.from_env() as client:
            yield client, Path(f"{catalogue.stem}.journal")
    else:
        with tempfile.TemporaryDirectory() as folder:
            async with Sandbox(seed=7) as sandbox, FulfillmentClient(sandbox.config()) as client:
                yield client, Path(folder, "once.journal")


def trouble(outcome: Outcome) -> str:
    """Return the reason why a product is not registered; empty if it is, from this night or an earlier one."""
    match outcome:
        case Created() | Skipped(earlier=Created()):
            return ""
        case Refused(code=code, message=message) | Skipped(earlier=Refused(code=code, message=message)):
            return f"refused: {code} {message}"
        case Failed(error=error):
            return f"not sent, or not accepted; the next run tries again: {error}"
        case Unknown(reason=reason):
            return f"it may be registered; the next run looks it up: {reason}"
        case Skipped(reason=reason):
            return f"not sent: {reason}"
        case _:
            return repr(outcome)


async def synchronise(client: FulfillmentClient, catalogue: Path, journal: Path) -> Night:
    """Send the products that the journal does not know yet. The file is read row by row, however long it is."""
    known = refused = 0
    async with (
        read_products(catalogue, mapping=MAPPING, rejects=f"{catalogue.stem}.rejects.csv", keep=True) as products,
        client.bulk.create_products(products, journal=journal) as run,
    ):
        async for outcome in run:
            if why := trouble(outcome):
                products.reject(outcome.key, why)
                refused += 1
                continue
            products.release(outcome.key)
            known += isinstance(outcome, Skipped)
    summary = run.summary
    return Night(summary.created, known, summary.rejected + refused, summary.unknown, summary.seconds)


async def main(catalogue: Path) -> int:
    """Run one night."""
    async with open_client(catalogue) as (client, journal):
        night = await synchronise(client, catalogue, journal)
    print(f"{catalogue.name}: {night.new} products registered in {night.seconds:.1f} s, {night.known} were before")
    if night.rejected:
        print(f"{night.rejected} rows need a look: {catalogue.stem}.rejects.csv")
    if night.undecided:
        print(f"{night.undecided} may be registered or not: start this again")
    return night.exit_code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else CATALOGUE)))
