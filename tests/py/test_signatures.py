# SPDX-License-Identifier: MIT
"""What inspect.signature() says of whatever is public, in both faces, is taken so."""

from __future__ import annotations

import inspect
import io

import pytest

import pytracemalloc as main
from pytracemalloc import stdlib

KINDS = inspect.Parameter
RAW = [(0, 10, (("a.py", 2), ("b.py", 4)), 3)]
FRAMES = (("a.py", 2),)


def examples(module):
    """Public type -> an instance."""
    snapshot = module.Snapshot(list(RAW), 2)
    traceback = module.Traceback(FRAMES)
    return {
        "BaseFilter": module.BaseFilter(True),
        "DomainFilter": module.DomainFilter(True, 1),
        "Filter": module.Filter(True, "a.py"),
        "Frame": module.Frame(FRAMES[0]),
        "Snapshot": snapshot,
        "Statistic": module.Statistic(traceback, 1, 1),
        "StatisticDiff": module.StatisticDiff(traceback, 1, 1, 1, 1),
        "Trace": module.Trace(RAW[0]),
        "Traceback": traceback,
        "Traces": snapshot.traces,
    }


def values(module, path):
    """What to give for parameters of these names."""
    snapshot = module.Snapshot(list(RAW), 2)
    dumped = io.BytesIO()
    main.Snapshot(list(RAW), 2).dump(dumped)
    dumped.seek(0)
    known = {
        "inclusive": True, "filename_pattern": "a.py", "lineno": 2, "all_frames": True,
        "domain": 0, "function": "f", "module": "m", "frame": FRAMES[0],
        "traces": list(RAW), "traceback_limit": 2, "old_snapshot": snapshot,
        "group_by": "lineno", "key_type": "lineno", "cumulative": True, "limit": 1,
        "metric": "live", "filters": [], "snapshots": [snapshot], "at": "peak",
        "traceback": module.Traceback(FRAMES), "size": 1, "count": 1, "size_diff": 1,
        "count_diff": 1, "trace": RAW[0], "frames": FRAMES, "total_nframe": 3,
        "most_recent_first": True, "value": 3, "start": 0, "stop": 1, "obj": 5,
        "nframe": 2,
        "filename": dumped if path == "Snapshot.load" else io.BytesIO(),
    }  # fmt: skip
    if path in ("Traceback.index", "Traceback.count"):
        known["value"] = module.Frame(FRAMES[0])
    if path in ("Traces.index", "Traces.count"):
        known["value"] = snapshot.traces[0]
    return known


def public(module):
    """(path, how to get it, how to call it) of all that can be called."""
    made = examples(module)
    for name in main.__all__ if module is main else theirs():
        value = getattr(module, name)
        if callable(value):
            yield name
        if isinstance(value, type):
            yield from (
                f"{name}.{method}"
                for method in dir(value)
                if method[:1] != "_" and callable(getattr(value, method))
            )
            assert name in made


def theirs():
    own = ("tracemalloc", "_tracemalloc")
    return sorted(
        name
        for name, value in vars(stdlib).items()
        if name[:1] != "_" and getattr(value, "__module__", "") in own
    )


CASES = [(module, path) for module in (main, stdlib) for path in public(module)]


def ids(value):
    return value if isinstance(value, str) else value.__name__


def bound(module, path):
    name, _, method = path.partition(".")
    if not method:
        return getattr(module, name)
    return getattr(examples(module)[name], method)


def is_refused(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except TypeError as error:
        words = str(error)
        return any(w in words for w in ("argument", "takes", "expected", "keyword"))
    return False


def stopped(call):
    def clean(*args, **kwargs):
        main.start(2)
        try:
            return call(*args, **kwargs)
        finally:
            main.stop()
            main.uninstall()

    return clean


@pytest.mark.parametrize("module, path", CASES, ids=ids)
def test_what_it_says_is_taken(module, path, tmp_path):
    method = bound(module, path)
    call = stopped(method)
    parameters = list(inspect.signature(method).parameters.values())
    assert not any(
        p.kind in (KINDS.VAR_POSITIONAL, KINDS.VAR_KEYWORD) for p in parameters
    )

    def given(wanted):
        known = values(module, path)
        if module is stdlib and "filename" in known and path != "Snapshot":
            known["filename"] = tmp_path / "file"
            module.Snapshot(list(RAW), 2).dump(tmp_path / "file")
        return {p.name: known[p.name] for p in wanted}

    def split(wanted, by_keyword):
        got = given(wanted)
        names = [
            p.name
            for p in wanted
            if p.kind is KINDS.POSITIONAL_ONLY
            or (p.kind is KINDS.POSITIONAL_OR_KEYWORD and not by_keyword)
        ]
        return [got.pop(name) for name in names], got

    required = [p for p in parameters if p.default is KINDS.empty]
    for wanted in (required, parameters):
        for by_keyword in (False, True):
            args, kwargs = split(wanted, by_keyword)
            call(*args, **kwargs)
    for one in required:
        args, kwargs = split([p for p in required if p is not one], True)
        assert is_refused(call, *args, **kwargs), one.name
    for one in parameters:  # the default is what is taken if nothing is given
        if one.default is not KINDS.empty and one.kind is not KINDS.POSITIONAL_ONLY:
            args, kwargs = split(required, True)
            call(*args, **kwargs, **{one.name: one.default})
    positional = [p for p in parameters if p.kind is not KINDS.KEYWORD_ONLY]
    args, kwargs = split(positional, False)
    assert is_refused(call, *args, 1, **kwargs)
    args, kwargs = split(required, True)
    assert is_refused(call, *args, **kwargs, no_such_name=1)


def test_other_names_of_required_arguments():
    """What no signature can say is in the docstring."""
    for call, words in (
        (main.Snapshot.statistics, "key_type= is another name"),
        (main.Filter, "filename_pattern may be left out"),
    ):
        assert words in call.__doc__
    snapshot = main.Snapshot(list(RAW), 2)
    assert snapshot.statistics(key_type="lineno") == snapshot.statistics("lineno")
    assert main.Filter(True, function="f").filename_pattern == "*"
    assert main.Filter(True, module="m").filename_pattern == "*"
