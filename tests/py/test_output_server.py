# SPDX-License-Identifier: MIT
"""PYTRACEMALLOC_OUTPUT: a prefork server is seen whole."""

from __future__ import annotations

import json
import signal
import socket
import sys

SERVER = """\
import os, signal, socket
CACHE = [bytearray(500_000)]
def answer(client):
    size = int(client.recv(100))
    CACHE.append(bytearray(size))
    client.sendall(b"%d" % os.getpid())
    client.close()
def work(listener):
    while True:
        answer(listener.accept()[0])
def serve():
    listener = socket.create_server(("127.0.0.1", 0))
    workers = []
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            work(listener)
        workers.append(pid)
    print(listener.getsockname()[1], flush=True)
    signal.sigwait([signal.SIGUSR1])
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    for pid in workers:
        print(pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
serve()
"""


def ask(port, size):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as server:
        server.sendall(b"%d" % size)
        return int(server.recv(100))


def test_a_prefork_server_is_seen_whole(children, outputs):
    children.write("prog.py", SERVER)
    process = children.start([sys.executable, "prog.py"], env=outputs.env)
    port = int(process.stdout.readline())
    calls = [ask(port, 1_000_000) for _ in range(12)]
    process.send_signal(signal.SIGUSR1)
    done = children.finish(process)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    workers = {int(pid) for pid, status in lines if status == str(-signal.SIGTERM)}
    assert len(workers) == 3 and set(calls) <= workers
    assert outputs.pids() == workers | {process.pid}

    files = sorted(outputs.folder.iterdir())
    done = children.call("report", "--json", "--top", "1000", *files)
    assert done.returncode == 0, done.stderr
    rows = [row for row in json.loads(done.stdout)["top"]
            if row["file"].endswith("prog.py")]  # fmt: skip
    bytes_of = {row["line"]: row["bytes"] for row in rows}
    assert 12_000_000 <= bytes_of[5] < 12_020_000  # of all workers together
    assert 2_000_000 <= bytes_of[2] < 2_020_000  # the parent's, once in each process
