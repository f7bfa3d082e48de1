# SPDX-License-Identifier: MIT
"""What the program has set must not change how the report is made, nor the report how
the program ends. Imports built-in modules only.
"""

import _signal  # type: ignore[import-not-found]
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


class Undisturbed:
    """Made before the program starts, entered when it has ended.

    A Ctrl-C is not heard, and a broken pipe does not kill. `own_imports` is for what is
    imported on top.
    """

    def __init__(self) -> None:
        self.path = list(sys.path)
        # Handlers to put back.
        self.on_interrupt: object = None
        self.on_pipe: object = None

    def __enter__(self) -> None:
        self.on_interrupt = ignore(_signal.SIGINT)
        if _signal.getsignal(_signal.SIGPIPE) == _signal.SIG_DFL:
            self.on_pipe = ignore(_signal.SIGPIPE)

    def hear_interrupt(self) -> None:
        """What follows may wait for others: it must end by Ctrl-C."""
        restore(_signal.SIGINT, self.on_interrupt)
        self.on_interrupt = None

    def __exit__(self, *_: object) -> None:
        restore(_signal.SIGPIPE, self.on_pipe)
        self.hear_interrupt()

    def own_imports(self) -> "OwnImports":
        return OwnImports(self.path)


class OwnImports:
    """Modules come from where they were found before the program started, also those
    of which it has imported its own: a types.py beside the script."""

    def __init__(self, path: list[str]) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.theirs = getattr(sys, "path", [])
        sys.path = self.path
        self.hidden = dict(self.shadows())
        for name in self.hidden:
            del sys.modules[name]

    def __exit__(self, *_: object) -> None:
        tops = {name.partition(".")[0] for name in self.hidden}
        for name in list(sys.modules):
            if name.partition(".")[0] in tops:
                del sys.modules[name]
        sys.modules.update(self.hidden)
        sys.path = self.theirs

    def shadows(self) -> "Iterator[tuple[str, ModuleType]]":
        """What has the name of a module of the standard library, and is another."""
        modules = list(sys.modules.items())
        tops = {name for name, module in modules if self.is_shadow(name, module)}
        for name, module in modules:
            if name.partition(".")[0] in tops:
                yield name, module

    def is_shadow(self, name: str, module: object) -> bool:
        if name not in sys.stdlib_module_names:
            return False
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            return False  # built in
        return not any(file.startswith(f"{folder}/") for folder in self.path)


def ignore(signum: int) -> object:
    """The handler before; None: it stays, since it is not Python's to put back, or
    since this thread may not set it."""
    before = _signal.getsignal(signum)
    try:
        if before is not None:
            _signal.signal(signum, _signal.SIG_IGN)
    except ValueError:
        return None
    return before


def restore(signum: int, handler: object) -> None:
    if handler is not None:
        _signal.signal(signum, handler)
