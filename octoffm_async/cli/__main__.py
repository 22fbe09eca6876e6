"""The ``octoffm`` command as ``python -m octoffm_async.cli``, for when scripts are not on the path."""

from . import main

if __name__ == "__main__":
    main()
