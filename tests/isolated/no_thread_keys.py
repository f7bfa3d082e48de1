# SPDX-License-Identifier: MIT
"""Every key for thread-local storage is taken: the import says so, however often it is
tried, and does not send people to another Python; fork goes on as before. With a key
given back it works."""

import ctypes
import os
import sys

libc = ctypes.CDLL(None)
keys = []
key = ctypes.c_uint()
while libc.pthread_key_create(ctypes.byref(key), None) == 0:
    keys.append(key.value)

for _ in range(3):
    try:
        import pytracemalloc  # noqa: F401
    except ImportError as error:
        wanted = "pytracemalloc cannot start: no key for thread-local storage is left"
        assert str(error) == wanted, error
    else:
        raise AssertionError("imported without a key")
    for name in [name for name in sys.modules if name.startswith("pytracemalloc")]:
        del sys.modules[name]


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


fork()
libc.pthread_key_delete(keys.pop())
import pytracemalloc  # noqa: E402, F811

pytracemalloc.start()
fork()
kept = bytes(1000)
assert pytracemalloc.get_object_traceback(kept)
print("ok")
