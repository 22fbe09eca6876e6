"""``python -m benchmarks``: measure, print tables, save JSON and plots.

    python -m benchmarks                       the most telling parts, in about five minutes on two processors
    python -m benchmarks --quick               the same, only to see that everything works
    python -m benchmarks calls tls             some parts
    python -m benchmarks memory --size 100000  a part with another size
    python -m benchmarks million_rows          the command with a file of 1,000,000 rows, interrupted on the way
    python -m benchmarks cold_start --only uvloop --only "20 callers" --rounds 1    a part of its cases, in ten minutes
    python -m benchmarks list                  the parts and the peers
    python -m benchmarks page                  a page of the results in the folder of --out

Peers come with ``pip install '.[bench]'``; those that are not installed are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from . import peers
from .options import OUT, Options
from .page import write_page
from .parts import PARTS, named
from .report import heading_of, save, text_of

QUICK = {"rounds": 2, "seconds": 0.05, "turns": 1}


def parse(arguments: list[str] | None = None) -> tuple[list[str], Options]:
    """Parse the arguments into the names of parts and the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="parts to run (default: the most telling)")
    parser.add_argument("--part", action="append", default=[], help="the same, one by one")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (5)")
    parser.add_argument("--seconds", type=float, help="about how long one measurement lasts (0.4)")
    parser.add_argument("--size", type=int, help="exactly this many calls, pages or items a measurement instead")
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--peer", action="append", default=[], help="only this peer; may be repeated")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="cold_start: only cases named so")
    parser.add_argument("--no-pin", action="store_true", help="do not keep stub and clients on processors of their own")
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder for JSON and plots ({OUT})")
    parser.add_argument("--no-plots", action="store_true", help="tables and JSON only")
    parser.add_argument("--quick", action="store_true", help="few and short rounds, to see that everything works")
    given = parser.parse_args(arguments)
    settings = dict(QUICK) if given.quick else {}
    settings |= {name: value for name in ("rounds", "seconds") if (value := getattr(given, name)) is not None}
    options = Options(
        size=given.size,
        in_flight=given.in_flight,
        loop=given.loop,
        peers=tuple(given.peer),
        only=tuple(given.only),
        pin=not given.no_pin,
        plots=not given.no_plots,
        out=given.out,
        **settings,  # type: ignore[arg-type]
    )
    return given.parts + given.part, options


def show() -> None:
    """Print the parts and the peers."""
    for part in PARTS:
        print(f"{part.name:14} {'*' if part.default else ' '} {part.about}")
    print("* runs when no part is named\n")
    missing = peers.missing()
    for entry in peers.ENTRIES:
        print(f"{entry.name}{'  (not installed)' if entry.name in missing else ''}")


def main(arguments: list[str] | None = None) -> int:
    """Run the named parts and return the exit code."""
    names, options = parse(arguments)
    if names == ["list"]:
        show()
        return 0
    try:
        if names == ["page"]:
            print(write_page(options.out))
            return 0
        chosen = named(names)
        peers.installed(names=options.peers)
    except (FileNotFoundError, LookupError) as error:
        print(error, file=sys.stderr)
        return 2
    print(heading_of(options))
    for part in chosen:
        started = time.monotonic()
        print(f"\n== {part.name}: {part.about}", flush=True)
        result = part.run(options)
        for table in result.tables:
            print(f"\n{text_of(table)}")
        for note in result.notes:
            print(note)
        written = save(result, options, options.out)
        print(f"({time.monotonic() - started:.0f} s; {', '.join(map(str, written))})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
