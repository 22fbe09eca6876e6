"""Limits found and held, priorities, many sellers, outages: see :mod:`benchmarks.traffic`."""

from ..traffic import run

__all__ = ["run"]
