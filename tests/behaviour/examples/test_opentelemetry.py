"""The example with traces and metrics tells what happened to its two orders."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "opentelemetry_orders.py"


def test_the_orders_are_reported_with_their_attempts_and_counted():
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLE],
        env={name: value for name, value in os.environ.items() if not name.startswith("OCTOFFM_")},
        capture_output=True,
        encoding="utf-8",
        timeout=40,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    lines = done.stdout.splitlines()
    assert lines[:9] == [
        "ORDER-1: ordered",
        "ORDER-2: ConnectionLostError, outcome unknown: True",
        "POST token.create, 200",
        "POST /fulfillment-products, 202",
        "checkout",
        "  POST /outbound-shipments, 429, pause, retry",
        "  POST /outbound-shipments, 201",
        "checkout",
        "  POST /outbound-shipments, ConnectionLostError, it may have been carried out",
    ]
    counted = {line for line in lines[9:] if line.startswith("octopia.client.")}
    assert counted == {
        "octopia.client.tokens{} 1",
        "octopia.client.calls{products.create} 1",
        "octopia.client.calls{outbound.create} 1",
        "octopia.client.calls{outbound.create, ConnectionLostError} 1",
        "octopia.client.throttled{12345, outbound.create} 1",
        "octopia.client.pauses{12345, outbound} 1",
        "octopia.client.retries{429, outbound.create} 1",
    }
