"""Write the reference of the public modules as HTML; exit code 1 if a docstring or a signature could not be read.

Run it with the Python of an environment that holds pdoc, and the package with the extras ``cluster``, ``otel`` and
``redis``: ``python .ci/reference.py DIR``.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from pathlib import Path

import pdoc

PACKAGE = "octoffm_async"
MODULES = "auth cluster errors events journal ratelimit sandbox stores tabular telemetry transport"


def main(folder: Path) -> int:
    """Print what could not be read, and the number of pages; return 1 if there was any."""
    names = [PACKAGE, *(f"{PACKAGE}.{name}" for name in MODULES.split())]
    for name in names:
        module = __import__(name, fromlist=["*"])
        for value in (getattr(module, each) for each in module.__all__):
            if inspect.isclass(value) and hasattr(value, "_fields"):  # named tuples do not know where they are from
                value.__new__.__module__ = value.__module__
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        pdoc.pdoc(*names, rf"!{PACKAGE}\.\w+\.", output_directory=folder)
    for warning in found:
        print(warning.message)
    print(f"{len(list(folder.rglob('*.html')))} pages of reference, {len(found)} warnings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
