# SPDX-License-Identifier: MIT
"""Ends while daemon threads, and one without Python, allocate and tracing is on."""

import threading
import time

import ptm_testhooks as hooks

import pytracemalloc


def churn():
    kept = []
    while True:
        kept.append({str(len(kept)): bytes(600)})
        hooks.detached_free(hooks.detached_malloc(5, 900))
        if len(kept) > 50:
            kept.clear()


pytracemalloc.start(10)
for _ in range(6):
    threading.Thread(target=churn, daemon=True).start()
hooks.hammer(300)
time.sleep(0.2)
print("ok")
