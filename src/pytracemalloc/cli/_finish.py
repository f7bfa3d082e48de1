# SPDX-License-Identifier: MIT
"""The end of a run: the snapshot goes to its file, the report to where it was asked."""

from __future__ import annotations

import os

from pytracemalloc import _text
from pytracemalloc.cli import _document, _render, _summary, _target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytracemalloc._session import Session


def text(session: Session, problem: str | None) -> str:
    """The report; `problem`: why the snapshot was not written."""
    options, figures = session.options, session.figures
    if figures.problem:
        raise RuntimeError(figures.problem)
    output = session.file()
    summary = None
    if figures.tracing:
        top = int(options["top"])
        summary = _summary.Summary(figures, options["at"], options["by"], top)
    if "json" in options:
        return _document.run_document(summary, file_fields(output, problem))
    return as_text(session, summary, file_notes(session, output, problem))


def as_text(
    session: Session, summary: _summary.Summary | None, notes: list[str]
) -> str:
    fd = None if "report" in session.options else 2
    encoding = session.encoding if fd else "utf-8"
    plain = not _text.can_encode(encoding)
    report = _render.Report(
        width=_text.columns(fd),
        style=_text.Style(_text.wants_colour(fd)),
        paths=_text.Paths(session.cwd, "..." if plain else "…"),
        plain=plain,
    )
    # A line of its own even if the program left its last one open.
    return ("\n" if fd else "") + report.text(summary, notes)


def file_notes(session: Session, output: str, problem: str | None) -> list[str]:
    if not output or problem:
        return []
    shown = _text.printable(short_name(output, session.cwd))
    size = _text.size_text(os.path.getsize(output))
    return [f"Snapshot: {shown} ({size})", "Snapshot.load() or go tool pprof opens it."]


def short_name(path: str, folder: str) -> str:
    """Relative to the folder if that is shorter. "/" may stand for one that is gone."""
    short = os.path.relpath(path, folder)
    return short if folder != "/" and len(short) < len(path) else path


def file_fields(output: str, problem: str | None) -> dict[str, str | None]:
    return {"output": None if problem else output or None}


def deliver(session: Session, text: str) -> None:
    options = session.options
    path = options.get("report")
    if path is None:
        session.say(text)
        return
    data = text.encode("utf-8", "backslashreplace")
    try:
        _target.write(path, options.get("descriptor"), data)
    except OSError as error:
        shown = _text.printable(path)
        session.say(f"pytracemalloc: {shown}: not written: {error.strerror}\n")
