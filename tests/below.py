# SPDX-License-Identifier: MIT
"""The allocator of a domain as it is now, called from Python: who asks before tracing
starts has what lies below the hooks, and can go past them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


class Allocator(ctypes.Structure):
    """PyMemAllocatorEx."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("ctx", "malloc", "calloc", "realloc", "free")
    )


def top(domain: int) -> Allocator:
    """What Python calls in this domain."""
    found = Allocator()
    ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(found))
    return found


def freeing(domain: int) -> Callable[[int], None]:
    """Its free, of a block's address; later hooks do not hear of it."""
    found = top(domain)
    prototype = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    free = prototype(found.free)
    return lambda block: free(found.ctx, block)
