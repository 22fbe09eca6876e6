"""Starting the command: its help, and a check of the credentials, over what Python with aiohttp takes alone."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from octoffm_async.sandbox import SandboxThread

from ..child import ROOT
from ..rounds import Case, Column, Result, Table, interleave

if TYPE_CHECKING:
    from ..options import Options

ALONE = "import aiohttp"
COMMAND = [sys.executable, "-m", "octoffm_async.cli"]
WAYS = {
    ALONE: [sys.executable, "-c", ALONE],
    "octoffm --help": [*COMMAND, "--help"],
    "octoffm auth check": [*COMMAND, "auth", "check"],
}


def _start(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall * 1e3, "cpu": cpu * 1e3}


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    with SandboxThread() as sandbox:
        environment = os.environ | sandbox.environment() | {"PYTHONPATH": str(ROOT)}
        cases = [Case(name, partial(_start, command, environment)) for name, command in WAYS.items()]
        interleave(cases, 1)  # compiles, and reads the files
        measured = interleave(cases, options.rounds)
    for figures in measured.figures.values():
        alone = measured.figures[ALONE]["cpu"]
        figures["over"] = [mine - theirs for mine, theirs in zip(figures["cpu"], alone, strict=True)]
    table = Table(
        name="start_up",
        title=f"Starting the command, over {ALONE}",
        columns=[Column("wall", "wall ms", 0), Column("cpu", "CPU ms", 0), Column("over", "CPU ms over", 0)],
        figures=measured.figures,
        order=measured.order,
        lead="cpu",
        sort=False,
        plot=False,
    )
    return Result(part="start_up", tables=[table])
