"""``python -m octoffm_async``: the ``octoffm`` command, for when scripts are not on the path."""

from .cli import main

if __name__ == "__main__":
    main()
