# SPDX-License-Identifier: MIT
"""What is written when a process ends: the report of `pytracemalloc run` by the process
that was started, a snapshot by every process that PYTRACEMALLOC_OUTPUT asks for one.

`begin` is called before the program starts and imports built-in modules only; what
makes reports and files is imported after the last snapshot was taken, so that nothing
of ours is measured.
"""

import _signal  # type: ignore[import-not-found]  # signal itself imports enum
import atexit
import os
import sys

import pytracemalloc
from pytracemalloc import _core, _output
from pytracemalloc._undisturbed import Undisturbed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def begin(nframe: int, options: dict[str, str], output: str) -> None:
    """Start tracing; report, or write, when the program ends.

    `options` are those of `pytracemalloc run`, none without it; `output` is the path
    that PYTRACEMALLOC_OUTPUT asks for, "" if there is none.
    """
    global session
    session = Session(options, output)
    _core._hold_reserve()
    # The first one registered runs last.
    atexit.register(_core._with_room, session.end)
    os.register_at_fork(
        before=_core._hold_sigterm,
        after_in_parent=_core._let_sigterm,
        after_in_child=session.enter_child,
    )
    if _signal.getsignal(_signal.SIGTERM) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGTERM, session.on_sigterm)
        _core._insist_on_sigterm()
    pytracemalloc.start(nframe)
    if options:
        session.witness = object()


def forget_variable() -> None:
    """This process is not to write what PYTRACEMALLOC_OUTPUT asks for."""
    if session is not None:
        session.output = ""


class Session:
    """What must be remembered from before the program until after it."""

    def __init__(self, options: dict[str, str], output: str) -> None:
        self.options = options
        self.output = output
        self.pid = os.getpid()
        self.cwd = _output.here() or "/"
        self.undisturbed = Undisturbed()
        self.encoding = getattr(sys.stderr, "encoding", None) or "ascii"
        # None: closed, and what has its number now is another file.
        self.stderr = None if sys.stderr is None else identity(2)
        self.figures = Figures()
        # The method of a function of C: it must not fail where the stack is deep.
        method = type(self.end)
        self.on_sigterm = method(_core._with_room, self.terminate)  # type: ignore[misc]
        # Traced first of all, as long as nothing is cleared.
        self.witness: object = None
        self.ended = False
        self.holding = False  # SIGTERM waits: the file and the report become whole
        self.terminated = False

    def reports(self) -> bool:
        return bool(self.options) and os.getpid() == self.pid

    def file(self) -> str:
        """Where this process is to write its snapshot; "" for nowhere. A forked child
        writes only if there is a file for each."""
        if os.getpid() == self.pid:
            return self.options.get("output") or _output.with_pid(self.output)
        return _output.with_pid(self.output) if _output.FIELD in self.output else ""

    def end(self) -> None:
        """Report, or write, once; never raises, whatever the program has set."""
        if self.ended:
            return
        self.ended = self.holding = True
        _core._give_reserve()
        try:
            self.figures.take(self.witness)  # first of all: nothing of ours is counted
        except KeyboardInterrupt:
            pass  # once more, then, when none can come
        self.conclude()
        self.holding = False
        if self.terminated:
            die_of(_signal.SIGTERM)

    def conclude(self) -> None:
        try:
            with self.undisturbed:
                interrupted = dies_of_interrupt()
                self.finish()
            if interrupted:
                renew_interrupt()
        except BaseException as error:
            self.say_nothing_came(error)

    def finish(self) -> None:
        if not self.figures.taken:
            self.figures.take(self.witness)
        if self.terminated:
            forget_unfinished_imports()
        if self.file() or self.reports():
            with self.undisturbed.own_imports():
                self.write_and_report()

    def write_and_report(self) -> None:
        """The file comes first: it needs less than the report, which may not come."""
        path = self.file()
        problem = self.figures.write(path) if path else None
        if self.reports():
            flush_streams()  # not a forked child's: they hold its parent's text
            from pytracemalloc.cli import _finish

            text = _finish.text(self, problem)
            self.holding = False  # who gets it may keep us waiting
            self.undisturbed.hear_interrupt()
            _finish.deliver(self, text)
        if problem:
            from pytracemalloc import _text

            shown = _text.printable(path)
            self.say(f"pytracemalloc: {shown}: not written: {problem}\n")

    def say_nothing_came(self, error: BaseException) -> None:
        what = "report" if self.reports() else "snapshot"
        reason = ascii(f"{type(error).__name__}: {error}")[1:-1]
        if isinstance(error, KeyboardInterrupt | SystemExit):
            reason = "interrupted"
        try:
            self.say(f"pytracemalloc: no {what}: {reason}\n")
        except BaseException:
            pass  # nor can it be said

    def terminate(self, signum: int, frame: object) -> None:
        """SIGTERM with the default action: report, then the default action."""
        self.terminated = True
        if self.holding:
            return  # it comes again, and ends what keeps us waiting then
        _core._heard_sigterm()
        self.end()
        die_of(signum)

    def enter_child(self) -> None:
        """A forked child begins: it has an end of its own, or nothing to do with us."""
        self.holding = self.terminated = False
        self.ended = _output.FIELD not in self.output
        if self.ended:
            self.leave_child()
        else:
            self.stay_in_child()
        _core._let_sigterm()

    def stay_in_child(self) -> None:
        if _signal.getsignal(_signal.SIGTERM) == self.on_sigterm:
            _core._insist_on_sigterm_in_child()
        self.join_multiprocessing()

    def join_multiprocessing(self) -> None:
        """Its children leave by os._exit and drop the finalizers they inherit, so one
        is made when they begin. Whoever does not use it has not imported it."""
        util = sys.modules.get("multiprocessing.util")
        register = getattr(util, "register_after_fork", None)
        if register is not None:
            register(self, Session.enter_multiprocessing)

    def enter_multiprocessing(self) -> None:
        util = sys.modules["multiprocessing.util"]
        last = -sys.maxsize  # of all
        util.Finalize(None, _core._with_room, args=(self.end,), exitpriority=last)

    def leave_child(self) -> None:
        """A forked child neither reports nor handles anything for us."""
        try:
            if _signal.getsignal(_signal.SIGTERM) == self.on_sigterm:
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
        try:
            write_all(2, text.encode(self.encoding, "backslashreplace"))
        except OSError:
            return False
        return True


session: Session | None = None


class Figures:
    """What the tracer knows at the end, taken before anything else is imported, into
    an object that was there before anything was traced."""

    at_end: pytracemalloc.Snapshot
    at_peak: pytracemalloc.Snapshot

    def __init__(self) -> None:
        self.taken = self.tracing = self.cleared = False
        self.problem = ""
        self.tracer_bytes = self.nframe = self.lost_blocks = self.lost_bytes = 0

    def take(self, witness: object) -> None:
        self.tracing = pytracemalloc.is_tracing()
        if self.tracing:
            try:
                self.at_end = pytracemalloc.take_snapshot()
                self.look_around(witness)
            except (MemoryError, RuntimeError) as error:
                self.problem = str(error) or "no memory left for a snapshot"
        self.taken = True

    def look_around(self, witness: object) -> None:
        self.at_peak = self.at_end.view("peak")
        self.tracer_bytes = pytracemalloc.get_tracemalloc_memory()
        self.nframe = self.at_end.traceback_limit
        self.lost_blocks, self.lost_bytes = self.at_end.lost
        self.cleared = pytracemalloc.get_object_traceback(witness) is None

    def write(self, path: str) -> str | None:
        """Replaces the file at once; the reason if it could not be done."""
        if self.problem or not self.tracing:
            return self.problem or "tracing had been stopped"
        try:
            self.at_end.dump(path)
        except (OSError, ValueError, MemoryError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            return reason or type(error).__name__
        return None


def die_of(signum: int) -> "NoReturn":
    _signal.signal(signum, _signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    os._exit(128 + signum)  # the first process of a container survives the kill


def forget_unfinished_imports() -> None:
    """A signal may come in the middle of an import; the report needs whole modules."""
    for name, module in list(sys.modules.items()):
        if getattr(getattr(module, "__spec__", None), "_initializing", False):
            del sys.modules[name]


def dies_of_interrupt() -> bool:
    """Whether the program itself, and not code that it ran, ended by Ctrl-C."""
    traceback = getattr(sys, "last_traceback", None)
    frame = getattr(traceback, "tb_frame", None)
    return (
        getattr(sys, "last_type", None) is KeyboardInterrupt
        and frame is not None
        and frame.f_back is None
        and not (sys.flags.interactive or sys.flags.inspect)
    )


def renew_interrupt() -> None:
    """CPython dies by SIGINT if the last text it ran ended in KeyboardInterrupt; what
    the report imported may have run other text since (namedtuple does)."""
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        pass


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
        except BaseException:
            pass  # the interpreter will try again, and tell


def write_all(fd: int, data: bytes) -> None:
    """However little the file takes at a time. Raises OSError."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            import select

            if not select.select([], [fd], [], 10)[1]:
                raise
