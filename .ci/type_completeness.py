"""Check that type checkers know the types of the public symbols of the installed package; exit code 1 below 99 %.

Run it with the Python of an environment that holds the package and pyright:
``.venv/bin/python .ci/type_completeness.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

LEAST = 0.99


def main() -> int:
    """Print the causes of missing types and the share of known ones; return 1 if the share is below ``LEAST``."""
    programs = Path(sys.executable).parent
    pyright = [str(programs / "pyright"), "--verifytypes", "octoffm_async", "--ignoreexternal", "--outputjson"]
    # pyright asks the first python on PATH for the packages, and would find the checkout before the installed package
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    output = subprocess.run(pyright, stdout=subprocess.PIPE, env=environment, cwd="/", check=False).stdout  # noqa: S603
    report = json.loads(output)
    found = report["typeCompleteness"]
    for diagnostic in report["generalDiagnostics"]:
        print(diagnostic["message"])
    for symbol in found["symbols"]:
        for each in symbol["diagnostics"]:
            if each["severity"] == "error" and "partially unknown" not in each["message"]:  # that follows from a cause
                print(f"{symbol['name']}: {each['message']}")
    share = found["completenessScore"]
    symbols = sum(found["exportedSymbolCounts"].values())
    print(f"{share:.2%} of {symbols} public symbols have a known type; {LEAST:.0%} must have one")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
