# SPDX-License-Identifier: MIT
"""python -m pytracemalloc"""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the current folder may have modules named like the library's
    from pytracemalloc.cli import main

    sys.exit(main())
