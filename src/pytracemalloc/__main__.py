# SPDX-License-Identifier: MIT
"""python -m pytracemalloc"""

import sys

from pytracemalloc.cli import main

if __name__ == "__main__":
    sys.exit(main())
