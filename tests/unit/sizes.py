"""How much is tried: a third in the usual run, all of it with ``OCTOFFM_THOROUGH=1``, as CI does once more."""

import os

THOROUGH = os.environ.get("OCTOFFM_THOROUGH") == "1"


def tries(count: int) -> int:
    """How many of ``count`` things that are drawn at random are tried."""
    return count if THOROUGH else -(-count // 3)
