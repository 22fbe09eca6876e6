"""The ``octoffm`` command. It needs the extra ``cli``; the rest of the package does not."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its code."""
    try:
        from .app import run
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.stderr.write(f"octoffm: {error.name} is missing: pip install 'octoffm-async[cli]'\n")
        sys.exit(2)
    sys.exit(run())
