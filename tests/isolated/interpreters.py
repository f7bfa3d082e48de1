# SPDX-License-Identifier: MIT
"""Four interpreters with a GIL of their own allocate at once, beside the main one."""

import sys
import threading

import pytracemalloc

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

TURNS = int(sys.argv[1])
# What is freed between two calls: without a GIL, blocks that waited for other threads.
SLACK = 500_000 if "free-threading" in sys.version else 100_000
SCRIPT = """
import gc
class C:
    def __init__(self, n):
        self.data = {n: [n] * 10}
kept = []
for n in range(20_000):
    kept.append([bytes(n % 700), C(n), (n, str(n))])
    if len(kept) > 300:
        del kept[::2]
def deep(n):
    return [n] if n == 0 else deep(n - 1)
for n in range(100):
    exec(compile(f"x = deep({n % 50})", f"sub{n}", "exec"))
"""


def create():
    if sys.version_info >= (3, 13):
        return interpreters.create("isolated")
    return interpreters.create(isolated=True)


def run(_):
    interp = create()
    for _ in range(2):
        if sys.version_info >= (3, 13):
            error = interpreters.exec(interp, SCRIPT)
            assert error is None, error
        else:
            interpreters.run_string(interp, SCRIPT)
    interpreters.destroy(interp)
    done.append(1)


done = []
for turn in range(TURNS):
    pytracemalloc.start(1 + turn % 2 * 5)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    mine, files = [], set()
    while any(thread.is_alive() for thread in threads):
        mine.append([bytes(5000) for _ in range(20)])
        if len(mine) > 50:
            del mine[:25]
            files |= {
                t.traceback[0].filename for t in pytracemalloc.take_snapshot().traces
            }
            pytracemalloc.take_snapshot(at="peak")
        if len(mine) == 49 and turn % 2:
            pytracemalloc.reset_peak()
    for thread in threads:
        thread.join()
    snapshot = pytracemalloc.take_snapshot()
    blocks = [t for t in snapshot.traces if t.size == sys.getsizeof(bytes(5000))]
    here = [t for t in blocks if t.traceback[0].filename == __file__]
    assert len(here) == 20 * len(mine), (len(here), len(mine))
    current, peak = pytracemalloc.get_traced_memory()
    assert 0 < current <= peak < 1 << 31, (current, peak)
    total = sum(t.size for t in snapshot.traces)
    assert abs(total - current) < SLACK, (total, current)
    pytracemalloc.stop()
    mine.clear()
    assert any(file in ("<string>", "<script>") for file in files), files
assert len(done) == 4 * TURNS
print("ok")
