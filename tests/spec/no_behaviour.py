# SPDX-License-Identifier: MIT
"""Sentences that state no behaviour, each with the reason why no test proves it."""

from __future__ import annotations

HEADING = "a heading"
POINTER = "points to another sentence or function"
ADVICE = "advice to the reader; what it rests on is proved elsewhere"

NO_BEHAVIOUR: dict[str, str] = {
    "API": HEADING,
    "Functions": HEADING,
    "Filter": HEADING,
    "Examples:": HEADING,
    "inclusive": HEADING,
    "lineno": HEADING,
    "filename_pattern": HEADING,
    "all_frames": HEADING,
    "Frame": HEADING,
    "class Frame": HEADING,
    "filename": HEADING,
    "Snapshot": HEADING,
    "class Snapshot": HEADING,
    "traceback_limit": HEADING,
    "traces": HEADING,
    "Statistic": HEADING,
    "class Statistic": HEADING,
    "count": HEADING,
    "size": HEADING,
    "traceback": HEADING,
    "StatisticDiff": HEADING,
    "class StatisticDiff": HEADING,
    "count_diff": HEADING,
    "size_diff": HEADING,
    "Trace": HEADING,
    "class Trace": HEADING,
    "Traceback": HEADING,
    "class Traceback": HEADING,
    "group_by description": HEADING,
    "Differences between pytracemalloc (PyPI) and tracemalloc (stdlib)": HEADING,
    "See also stop().": POINTER,
    "See also gc.get_referrers() and sys.getsizeof() functions.": POINTER,
    "See also start() and stop() functions.": POINTER,
    "See also stop(), is_tracing() and get_traceback_limit() functions.": POINTER,
    "See also start(), is_tracing() and clear_traces() functions.": POINTER,
    "See also the get_object_traceback() function.": POINTER,
    "See the get_traceback_limit() function and Snapshot.traceback_limit "
    "attribute.": POINTER,
    "See the statistics() method for group_by and cumulative parameters.": POINTER,
    "See also dump().": POINTER,
    "See also the StatisticDiff class.": POINTER,
    "See also the Statistic class.": POINTER,
    "See the take_snapshot() function.": POINTER,
    "Storing more than 1 frame is only useful to compute statistics grouped by "
    "'traceback' or to compute cumulative statistics: see the "
    "Snapshot.compare_to() and Snapshot.statistics() methods.": ADVICE,
    "The sequence has an undefined order.": "it promises nothing",
    "The tracemalloc module is part of the Python standard library since "
    "Python 3.4: read tracemalloc module documentation.": "about another module",
    "There are differences between the third party pytracemalloc module "
    "(downloaded from PyPI) and the tracemalloc which is part of the Python "
    "standard library:": "about another module",
    "• stdlib tracemalloc supports a PYTHONTRACEMALLOC environment variable to "
    "start tracing at Python startup.": "about another module",
    "• stdlib tracemalloc supports a -X tracemalloc=NFRAMES command line option "
    "to start tracing at Python startup.": "about another module",
}
