"""The ``octoffm`` command; it needs the extra ``cli``, and the rest of the package does not."""

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its code."""
    for package in ("click", "rich", "yaml"):  # found, not imported: many commands need only the first
        if find_spec(package) is None:
            sys.stderr.write(f"octoffm: {package} is missing: pip install 'octoffm-async[cli]'\n")
            sys.exit(2)
    from ..text import safe_traceback
    from .app import run, safe_output

    try:
        code = run()
    except Exception as error:  # noqa: BLE001  (a bug of this package: with its traceback)
        code = 1
        with safe_output():
            sys.stderr.write(safe_traceback(error))
    sys.exit(code)
