"""Limits found and held, lanes, many sellers, outages: see :mod:`benchmarks.traffic`."""

from ..traffic import run

__all__ = ["run"]
