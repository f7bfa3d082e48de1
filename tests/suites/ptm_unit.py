# SPDX-License-Identifier: MIT
"""Runs test modules of CPython's own as its `-m test` does, without its resources.

usage: ptm_unit.py MODULE-OR-TEST...
"""

from __future__ import annotations

import signal
import sys
import unittest

import ptm_suites
from test import support


def main() -> None:
    support.use_resources = ()  # no network, no windows, nothing that takes minutes
    # Shells ignore it for what they start in the background; tests would wait in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runner = unittest.TextTestRunner(resultclass=ptm_suites.Result, verbosity=2)
    unittest.main(None, argv=sys.argv, testRunner=runner, exit=False)
    ptm_suites.the_end()


if __name__ == "__main__":
    main()
