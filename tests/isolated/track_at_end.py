# SPDX-License-Identifier: MIT
"""Blocks are tracked and untracked when the interpreter is long gone."""

import sys

import ptm_testtrack as ext

import pytracemalloc

print("ok", end=" ")
sys.stdout.flush()
pytracemalloc.start(3)
assert ext.track(5, 4096, 77) == 0
ext.at_the_very_end(5, 4096)
if sys.argv[1] == "stopped":
    pytracemalloc.stop()


class Last:
    """Dies with the modules."""

    def __del__(
        self, track=ext.track, untrack=ext.untrack, detached=ext.track_detached
    ):
        track(6, 8192, 1)
        detached(6, 8192, 1)
        untrack(6, 8192)


sys.modules["a name that is cleared late"] = Last()
