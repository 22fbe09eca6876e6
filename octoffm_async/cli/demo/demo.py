"""``octoffm demo``: everything that the client does, against an embedded sandbox. No account is needed."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ...client import FulfillmentClient
from ...config import Limit
from ...errors import ConfigurationError
from ...sandbox import SandboxProcess
from ..errors import ExitCode
from ..options import parse_pairs, rate_option
from ..progress import CommandResults, display_for, steps_table
from ..runtime import run_async
from .input import CatalogueFile, DemoInput, MadeUpProducts
from .steps import Demo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..progress import Display, StepResult

NEXT_STEPS = """\
Next, the real API. Export what Octopia gave you:

  export OCTOFFM_CLIENT_ID=...
  export OCTOFFM_CLIENT_SECRET=...
  export OCTOFFM_SELLER_ID=...

then see what they reach; this only reads:

  octoffm auth check

and in Python:

  import asyncio, octoffm_async
  async def main():
      async with octoffm_async.FulfillmentClient.from_env() as client:
          print(await anext(client.stocks.list(limit=5).pages()))
  asyncio.run(main())
"""


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a catalogue's rows: each row was either sent and accepted, or reported."""

    total: int
    sent: int
    reported: int

    @property
    def balanced(self) -> bool:
        """True if no row is missing and none is counted twice."""
        return self.sent + self.reported == self.total

    def __str__(self) -> str:
        sign = "=" if self.balanced else "!="
        return f"{self.sent:,} sent + {self.reported:,} reported {sign} {self.total:,}"


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """The options of the demo."""

    catalogue: Path | None
    mapping: dict[str, str]
    constants: dict[str, str]
    orders: int
    products: int
    seed: int
    limit: tuple[int, float]
    rejects: Path


@click.command(short_help="See everything work, on an embedded emulator.")
@click.option("--catalogue", type=click.Path(path_type=Path), metavar="FILE", help="CSV file of products to register.")
@click.option(
    "--map", "mapping", multiple=True, callback=parse_pairs, metavar="FIELD=COLUMN", help="Column of a field."
)
@click.option(
    "--set", "constants", multiple=True, callback=parse_pairs, metavar="FIELD=VALUE", help="Value for all rows."
)
@click.option("--orders", type=click.IntRange(0), default=200, show_default=True, help="Orders to ship.")
@click.option(
    "--products", type=click.IntRange(1), default=1000, show_default=True, help="Made-up products, if no file is given."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the made-up data.")
@rate_option("The API's rate limit.", default="100/1", show_default=True, into="limit")
@click.option("--rejects", type=click.Path(path_type=Path), metavar="FILE", help="File for rejected rows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def demo(
    catalogue: Path | None, mapping: dict[str, str], constants: dict[str, str], rejects: Path | None, **rest: Any
) -> int:
    """Register products, look up their stock, ship orders and follow them.

    It starts an emulator of the API; nothing is sent outside this machine.

    \b
    octoffm demo
    octoffm demo --catalogue products.csv --map gtin=barcode --map title=name --set weight_g=500 ...
    """
    if catalogue is None and (mapping or constants):
        raise click.UsageError("--map and --set need a --catalogue", click.get_current_context())
    show = display_for(json=rest.pop("as_json"))
    report = rejects or Path(f"{catalogue.stem if catalogue else 'demo'}.rejects.csv")
    plan = DemoOptions(catalogue=catalogue, mapping=mapping, constants=constants, rejects=report, **rest)
    try:
        return run_async(_run(plan, show))
    finally:
        show.close()


async def _run(plan: DemoOptions, show: Display) -> int:
    calls, seconds = plan.limit
    with closing(_source(plan)) as source:
        async with (
            SandboxProcess(seed=plan.seed, limit=plan.limit) as sandbox,
            FulfillmentClient(sandbox.config(limit=Limit(calls, per=seconds))) as client,
        ):
            demo = Demo(client, sandbox, source, show, orders=plan.orders, seed=plan.seed)
            await demo.run()
    rows = Accounting(total=source.rows, sent=demo.registered, reported=source.reported)
    wrong = demo.wrong_orders()
    facts: dict[str, Any] = {"rows": rows} if plan.catalogue else {"products": source.rows}
    facts |= {
        "rejects file": str(plan.rejects) if plan.catalogue and source.reported else None,
        "orders wrong on purpose": wrong,
        "peak memory MiB": peak_memory(),
    }
    exit_code = exit_code_of_demo(demo.results, rows, wrong_orders=wrong)
    show.summary(CommandResults(steps_table(demo.results), {}, facts, NEXT_STEPS))
    return exit_code


def _source(plan: DemoOptions) -> DemoInput:
    if plan.catalogue is None:
        return MadeUpProducts(plan.products, seed=plan.seed)
    if plan.rejects.resolve() == plan.catalogue.resolve():
        raise ConfigurationError(f"--rejects would overwrite the catalogue {plan.catalogue}")
    if not plan.rejects.parent.is_dir():  # found out now, not at the first reject in the middle of the run
        raise ConfigurationError(f"--rejects: there is no folder {plan.rejects.parent}")
    return CatalogueFile(plan.catalogue, plan.mapping, plan.constants, plan.rejects)


def exit_code_of_demo(results: Sequence[StepResult], rows: Accounting, *, wrong_orders: int) -> ExitCode:
    """Return DONE if every row is accounted for and nothing else was refused than what is wrong on purpose."""
    counts = {result.step: result.counts for result in results}
    if any(step.get("unknown") or step.get("open") for step in counts.values()):
        return ExitCode.UNDECIDED
    failed = sum(step.get("failed", 0) + step.get("skipped", 0) for step in counts.values())
    as_meant = (
        rows.balanced
        and counts["lookup"].get("found", 0) == rows.sent
        and not counts["ship"].get("refused")
        and counts["follow"].get("refused", 0) == wrong_orders
    )
    return ExitCode.DONE if as_meant and not failed else ExitCode.REFUSED


def peak_memory() -> int | None:
    """Return the peak memory of this process in MiB; ``None`` where the system does not report it (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))  # macOS counts bytes, Linux kibibytes
