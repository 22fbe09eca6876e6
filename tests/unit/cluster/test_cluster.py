"""The front door: what it exports, and what it says when it is not open."""

from __future__ import annotations

import subprocess
import sys

import pytest

from octoffm_async import ClosedError, ConfigurationError, cluster
from octoffm_async.cluster import Cluster, Worker, WorkerOptions


def test_the_package_loads_what_it_is_asked_for() -> None:
    code = "import sys, octoffm_async.cluster as c; before = 'psycopg' in sys.modules; c.Cluster; print(before)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    assert Cluster.__name__ == "Cluster"
    assert Worker.__name__ == "Worker"
    assert WorkerOptions(lease=5.0).silent > 5.0
    with pytest.raises(AttributeError, match="has no attribute 'Fleet'"):
        _ = cluster.Fleet


@pytest.mark.one_loop
async def test_a_cluster_that_is_not_open_says_so() -> None:
    closed = Cluster("postgresql://me:hush@host/name")
    assert repr(closed) == "<Cluster postgresql://me@host/name>"
    with pytest.raises(ClosedError, match="async with Cluster"):
        await closed.status()
    with pytest.raises(ConfigurationError, match="not the address of a PostgreSQL database"):
        Cluster("orders.sqlite")
