"""The ``octoffm`` command; it needs the extra ``cli``, and the rest of the package does not."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its code."""
    try:
        from .app import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich", "yaml"):
            raise
        sys.stderr.write(f"octoffm: {missing} is missing: pip install 'octoffm-async[cli]'\n")
        sys.exit(2)
    sys.exit(run())
