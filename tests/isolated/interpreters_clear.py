# SPDX-License-Identifier: MIT
"""Two interpreters with a GIL of their own clear the traces and start anew, two others
free blocks, and the main one allocates from many lines meanwhile."""

import sys
import threading
import time

import pytracemalloc

if sys.version_info >= (3, 13):
    import _interpreters as interpreters
else:
    import _xxsubinterpreters as interpreters

SECONDS = float(sys.argv[1])
CLEARS = """
import pytracemalloc, time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    for n in range(50):
        pytracemalloc.clear_traces()
    pytracemalloc.stop()
    pytracemalloc.start(2)
"""
FREES = """
import time
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    kept = [[n] for n in range(1000)]
    while kept:
        kept.pop()
"""


def run(text):
    if sys.version_info >= (3, 13):
        interp = interpreters.create("isolated")
        failed.append(interpreters.exec(interp, text.format(seconds=SECONDS)))
    else:
        interp = interpreters.create(isolated=True)
        failed.append(interpreters.run_string(interp, text.format(seconds=SECONDS)))
    interpreters.destroy(interp)


failed = []
lines = "".join(f"    kept.append([bytes({n}), ({n}, kept)])\n" for n in range(500))
names = {}
exec(compile(f"def many(kept):\n{lines}", "many", "exec"), names)
pytracemalloc.start(2)
threads = [threading.Thread(target=run, args=(t,)) for t in (CLEARS, FREES) * 2]
for thread in threads:
    thread.start()
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    names["many"]([])
for thread in threads:
    thread.join()
assert failed == [None] * 4, failed

pytracemalloc.start()
pytracemalloc.clear_traces()
kept = []
names["many"](kept)
snapshot = pytracemalloc.take_snapshot()
found = [t for t in snapshot.traces if t.traceback[0].filename == "many"]
big = [t for t in found if t.size > sys.getsizeof(b"") + 400]
assert len(big) >= 99, len(big)
print("ok")
