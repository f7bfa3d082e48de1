# SPDX-License-Identifier: MIT
"""Every key for thread-local storage is taken: the import says so, and does not send
people to another Python."""

import ctypes

create = ctypes.CDLL(None).pthread_key_create
key = ctypes.c_uint()
while create(ctypes.byref(key), None) == 0:
    pass
try:
    import pytracemalloc
except ImportError as error:
    said = str(error)
else:
    raise AssertionError(f"imported, tracing: {pytracemalloc.is_tracing()}")
wanted = "pytracemalloc cannot start: no key for thread-local storage is left"
assert said == wanted, said
print("ok")
