# SPDX-License-Identifier: MIT
"""Blocks are tracked and untracked when the interpreter is long gone."""

import os
import sys

import ptm_testtrack as ext

import pytracemalloc

print("ok", end=" ")
sys.stdout.flush()
pytracemalloc.start(3)
assert ext.track(5, 4096, 77) == 0
ext.at_the_very_end(5, 4096)


class Last:
    """Dies with the modules."""

    def __del__(self, track=ext.track, detached=ext.track_detached, end=os._exit):
        if track(6, 8192, 1) != 0 or detached(6, 8192, 2) != 0:
            end(5)


sys.modules["a name that is cleared late"] = Last()
