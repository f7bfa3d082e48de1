# SPDX-License-Identifier: MIT
"""One program run under `pytracemalloc run`: from inside its interpreter.

`begin` is called before the program starts and imports built-in modules only; what
makes the report is imported after the last snapshot was taken, so that nothing of
ours is measured.
"""

import _signal  # type: ignore[import-not-found]  # signal itself imports enum
import atexit
import os
import sys

import pytracemalloc


def begin(nframe: int, options: dict[str, str]) -> None:
    """Start tracing; report when the program ends."""
    session = Session(options)
    atexit.register(session.end)  # the first one registered runs last
    os.register_at_fork(after_in_child=session.leave_child)
    if _signal.getsignal(_signal.SIGTERM) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGTERM, session.terminate)
    pytracemalloc.start(nframe)
    session.witness = object()


class Session:
    """What must be remembered from before the program until after it."""

    def __init__(self, options: dict[str, str]) -> None:
        self.options = options
        self.pid = os.getpid()
        self.cwd = current_folder()
        self.path = list(sys.path)
        self.encoding = getattr(sys.stderr, "encoding", None) or "ascii"
        # None: closed, and what has its number now is another file.
        self.stderr = None if sys.stderr is None else identity(2)
        self.witness: object = (
            None  # traced first of all, as long as nothing is cleared
        )
        self.ended = False

    def end(self) -> None:
        """Report, once, in the process that was started; never raises."""
        if self.ended or os.getpid() != self.pid:
            return
        figures = Figures(self.witness)  # first of all: nothing of ours is counted
        self.ended = True
        interrupted = dies_of_interrupt()
        with Undisturbed(self.path):
            try:
                flush_streams()
                from pytracemalloc.cli import _finish

                _finish.finish(self, figures)
            except KeyboardInterrupt:
                self.say("pytracemalloc: interrupted while reporting\n")
            except Exception as error:
                what = ascii(f"{type(error).__name__}: {error}")[1:-1]
                self.say(f"pytracemalloc: no report: {what}\n")
        if interrupted:
            renew_interrupt()

    def terminate(self, signum: int, frame: object) -> None:
        """SIGTERM with the default action: report, then the default action."""
        if os.getpid() == self.pid:
            forget_unfinished_imports()
            self.end()
        _signal.signal(signum, _signal.SIG_DFL)
        os.kill(os.getpid(), signum)
        os._exit(128 + signum)  # the first process of a container survives the kill

    def leave_child(self) -> None:
        """A forked child neither reports nor handles anything for us."""
        try:
            if _signal.getsignal(_signal.SIGTERM) == self.terminate:
                _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
        except ValueError:
            pass  # forked by another thread: terminate() looks at the process id

    def say(self, text: str) -> bool:
        """Write to the stderr the program has; False if it has none, or it is full."""
        now = identity(2)
        if self.stderr is None or now is None:
            return False
        if now != self.stderr and not leads_to(sys.stderr, 2):
            return False  # the number went to another file
        return write_all(2, text.encode(self.encoding, "backslashreplace"))


class Figures:
    """What the tracer knows at the end, taken before anything else is imported."""

    def __init__(self, witness: object) -> None:
        self.tracing = pytracemalloc.is_tracing()
        self.problem = ""
        if self.tracing:
            try:
                self.take(witness)
            except (MemoryError, RuntimeError) as error:
                self.problem = str(error) or "no memory left for a snapshot"

    def take(self, witness: object) -> None:
        self.at_end = pytracemalloc.take_snapshot()
        self.at_peak = self.at_end.view("peak")
        self.tracer_bytes = pytracemalloc.get_tracemalloc_memory()
        self.nframe = self.at_end.traceback_limit
        self.lost_blocks, self.lost_bytes = self.at_end.lost
        self.cleared = pytracemalloc.get_object_traceback(witness) is None


class Undisturbed:
    """The program's settings must not change how the report is made, nor the report
    how the program ends: a path that shadows the standard library, a small recursion
    limit, SIGPIPE set to kill."""

    def __init__(self, path: list[str]) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.theirs = getattr(sys, "path", [])
        self.limit = sys.getrecursionlimit()
        self.on_pipe = _signal.getsignal(_signal.SIGPIPE)
        sys.path = self.path
        sys.setrecursionlimit(self.limit + 1000)
        if self.on_pipe == _signal.SIG_DFL:
            _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)

    def __exit__(self, *_: object) -> None:
        if self.on_pipe == _signal.SIG_DFL:
            _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
        sys.path = self.theirs
        try:
            sys.setrecursionlimit(self.limit)
        except RecursionError:
            pass  # a signal came that deep; the process is about to end


def forget_unfinished_imports() -> None:
    """A signal may come in the middle of an import; the report needs whole modules."""
    for name, module in list(sys.modules.items()):
        if getattr(getattr(module, "__spec__", None), "_initializing", False):
            del sys.modules[name]


def dies_of_interrupt() -> bool:
    """Whether the program itself, and not code that it ran, ended by Ctrl-C."""
    traceback = getattr(sys, "last_traceback", None)
    return (
        getattr(sys, "last_type", None) is KeyboardInterrupt
        and traceback is not None
        and traceback.tb_frame.f_back is None
        and not (sys.flags.interactive or sys.flags.inspect)
    )


def renew_interrupt() -> None:
    """CPython dies by SIGINT if the last text it ran ended in KeyboardInterrupt; what
    the report imported may have run other text since (namedtuple does)."""
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        pass


def current_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"  # it was removed


def identity(fd: int) -> tuple[int, int] | None:
    """Which file an open descriptor leads to; None if it is closed."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def leads_to(stream: object, fd: int) -> bool:
    try:
        return bool(stream.fileno() == fd)  # type: ignore[attr-defined]
    except Exception:
        return False


def flush_streams() -> None:
    """What the program printed comes before the report."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the interpreter will try again, and tell


def write_all(fd: int, data: bytes) -> bool:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            import select

            if not select.select([], [fd], [], 10)[1]:
                return False
        except OSError:
            return False
    return True
