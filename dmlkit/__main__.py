"""`python -m dmlkit`: train, evaluate, compare, list the benchmarks, search."""

import sys

from dmlkit.command_line import main

if __name__ == "__main__":  # processes that read images import this file again
    sys.exit(main())
