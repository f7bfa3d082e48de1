# SPDX-License-Identifier: MIT
"""Reports as JSON for programs; docs/report-json.md describes the fields."""

from __future__ import annotations

from pytracemalloc import __version__, _text
from pytracemalloc.cli._summary import Place, Ranking, Row, Sum, Summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUN_SCHEMA = "pytracemalloc-report/1"


def run_document(summary: Summary | None, more: dict[str, Any]) -> str:
    """The report of a run."""
    head = {"python": _text.python_version(), "tracing": summary is not None}
    body = summary_fields(summary) if summary else {}
    return document(RUN_SCHEMA, head | body | more)


def document(schema: str, fields: dict[str, Any]) -> str:
    head = {"schema": schema, "version": __version__}
    return _text.json_text(head | fields) + "\n"


def summary_fields(summary: Summary) -> dict[str, Any]:
    return {
        "cleared": summary.cleared,
        "nframe": summary.nframe,
        "peak": sum_fields(summary.peak),
        "end": sum_fields(summary.end),
        "tracer_bytes": summary.tracer_bytes,
        "lost": sum_fields(summary.lost),
        "at": summary.at,
        **ranking_fields(summary.ranking),
    }


def ranking_fields(ranking: Ranking) -> dict[str, Any]:
    shown = ranking.shown
    return {
        "by": ranking.by,
        "groups": ranking.groups,
        "total": sum_fields(ranking.whole),
        "shown": shown and sum_fields(shown) | share(shown.size, ranking.whole),
        "top": [row_fields(row, ranking) for row in ranking.rows],
    }


def sum_fields(sum_: Sum) -> dict[str, Any]:
    return {"bytes": sum_.size, "blocks": sum_.count}


def share(size: int, whole: Sum) -> dict[str, Any]:
    return {"share": round(size / whole.size, 6) if whole.size else 0.0}


def row_fields(row: Row, ranking: Ranking) -> dict[str, Any]:
    numbers = {"bytes": row.size, "blocks": row.count}
    return numbers | share(row.size, ranking.whole) | subject_fields(row, ranking.by)


def subject_fields(row: Row, by: str) -> dict[str, Any]:
    """What the row is about."""
    if by == "traceback":
        return {"traceback": [place_fields(place) for place in row.places]}
    if by == "file":
        return {"file": row.places[0].filename}
    return place_fields(row.places[0]) if row.places else {by: row.key}


def place_fields(place: Place) -> dict[str, Any]:
    return {
        "file": place.filename,
        "line": place.lineno,
        "function": place.function,
        "source": place.source(),
    }
