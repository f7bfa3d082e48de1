# SPDX-License-Identifier: MIT
"""The stdlib face against the standard library: one expression, two modules.

Each expression is evaluated with `t` as either module; what comes out, a value's
repr or an exception's type and words, must be the same.
"""

from __future__ import annotations

import inspect
import itertools
import pickle
import tracemalloc as theirs
from types import SimpleNamespace

import pytest

from pytracemalloc import stdlib as ours

RAW = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (1, 2, (("a.py", 5), ("b.py", 4)), 3),
    (2, 66, (("b.py", 1),), 1),
    (3, 7, (("<unknown>", 0),), 1),
    (0, 123456, (("a.py", 2), ("a.py", 2), ("c.pyc", 9)), 70000),
]
RAW2 = [
    (0, 10, (("a.py", 2), ("b.py", 4)), 3),
    (2, 5000, (("a.py", 5), ("b.py", 4)), 3),
    (4, 400, (("c.py", 578),), 1),
    (0, 3 << 40, (("\udcff.py", 1),), None),
]

SETUP = """
s, s2 = t.Snapshot(list(RAW), 2), t.Snapshot(list(RAW2), 2)
tb = t.Traceback((("f1", 1), ("f2", 2)), 5)
stat = t.Statistic(tb, 66, 3)
diff = t.StatisticDiff(tb, 5002, 5000, 2, 1)
frame = t.Frame(("f1", 1))
"""

EXPRESSIONS = """
repr(frame), str(frame), frame.filename, frame.lineno, frame._frame
hash(frame) == hash(frame._frame), frame == t.Frame(("f1", 1)), frame == 3
frame < t.Frame(("f1", 2)), frame >= t.Frame(("f0", 2)), sorted([frame, t.Frame(("a", 9))])
frame < 3
t.Frame((1,)).lineno
t.Frame(None).filename
t.Frame.__module__, t.Frame.__qualname__
repr(tb), str(tb), len(tb), tb.total_nframe, tb._frames, tb._total_nframe
repr(t.Traceback(())), repr(t.Traceback((), 0)), len(t.Traceback(()))
str(t.Traceback(()))
tb[0], tb[-1], tb[:1], tb[::-1], list(tb), list(reversed(tb)), tb[5:]
tb[2]
tb[-3]
tb["x"]
tb[2**80]
t.Frame(("f1", 1)) in tb, t.Frame(("f1", 2)) in tb
"f1" in tb
tb.index(t.Frame(("f1", 1))), tb.count(t.Frame(("f1", 1))), tb.index(t.Frame(("f1", 1)), -1)
tb.index(t.Frame(("f1", 3)))
tb == t.Traceback((("f1", 1), ("f2", 2))), tb != t.Traceback((("f1", 1),)), tb == 3
tb < t.Traceback((("f1", 1), ("f2", 3))), tb <= tb, tb > t.Traceback((("z", 1), ("a", 2)))
tb < 3
hash(tb) == hash((("f2", 2), ("f1", 1)))
tb.format(), tb.format(1), tb.format(-1), tb.format(0), tb.format(9), tb.format(-9)
tb.format(most_recent_first=True), tb.format(limit=1, most_recent_first=True)
tb.format("x")
t.Traceback.__module__
isinstance(tb, Sequence), issubclass(t.Traceback, Sequence), isinstance(s.traces, Sequence)
s.traces, len(s.traces), s.traces[0], s.traces[-1], s.traces[1:3], s.traces[::-2]
s.traces[6]
s.traces[-7]
s.traces[None]
s.traces._traces == RAW, s.traces._traces is s.traces._traces
[str(x) for x in s.traces], [x.domain for x in s.traces], [x.size for x in s.traces]
[x.traceback.total_nframe for x in s.traces], [x._trace for x in s.traces]
s.traces[0] == s.traces[1], s.traces[0] == s.traces[2], s.traces[0] == 3, s.traces[0] < 3
s.traces[0] in s.traces, t.Trace(RAW2[1]) in s.traces, s.traces.index(s.traces[2])
hash(s.traces[0]) == hash(RAW[0])
hash(s.traces)
s.traces == t.Snapshot(list(RAW), 9).traces, s.traces == s2.traces, s.traces == RAW
t.Trace((0, 5, (("old", 1),))), str(t.Trace((0, 5, (("old", 1),))))
t.Trace(()).size
repr(stat), str(stat), stat._sort_key() == (66, 3, tb), stat == t.Statistic(tb, 66, 3)
stat == t.Statistic(tb, 66, 4), stat == diff, hash(stat) == hash((tb, 66, 3))
stat < stat
str(t.Statistic(tb, 0, 0)), repr(t.Statistic("x", 1.9, 2.9)), str(t.Statistic("x", -5, 2))
setattr(stat, "size", 7), stat
setattr(stat, "other", 7)
stat.nothing
repr(diff), str(diff), diff._sort_key() == (5000, 5002, 1, 2, tb), hash(diff) == hash((tb, 5002, 5000, 2, 1))
str(t.StatisticDiff(tb, 0, -5000, 0, -1)), t.StatisticDiff(tb, 3, -5000, 0, -1)._sort_key()[:4]
[t._format_size(n, False) for n in SIZES]
[t._format_size(n, True) for n in SIZES]
[t._format_size(-n, True) for n in SIZES]
t._format_size("x", True)
[t._normalize_filename(n) for n in ("a.py", "a.pyc", "a.pyo", ".pyc", "", "A.PYC")]
t._normalize_filename(3)
s.statistics("filename"), s.statistics("lineno"), s.statistics("traceback")
s.statistics("filename", True), s.statistics("lineno", cumulative=True), s.statistics("lineno", 0)
s.statistics(key_type="lineno")
s.statistics("foo")
s.statistics(None)
s.statistics(["lineno"])
s.statistics("foo", True)
s.statistics("traceback", True)
s2.statistics("traceback", cumulative=1)
s2.compare_to(s, "filename"), s2.compare_to(s, "lineno"), s2.compare_to(s, "traceback")
s2.compare_to(s, "filename", True), s2.compare_to(old_snapshot=s, key_type="lineno", cumulative=True)
s.compare_to(s, "traceback"), s.compare_to(s2, "lineno")
s.compare_to(s2, "foo")
s.compare_to(3, "lineno")
s.compare_to(s2, "traceback", True)
s._group_by("lineno", False) == {x.traceback: x for x in s.statistics("lineno")}
t._compare_grouped_stats(s._group_by("lineno", True), s2._group_by("lineno", True)) != []
s.filter_traces([t.Filter(True, "a.py")]).traces._traces
s.filter_traces([t.Filter(False, "a.py", 2), t.Filter(True, "*.py")]).traces._traces
s.filter_traces([t.Filter(True, "c.py", all_frames=True)]).traces._traces
s.filter_traces([t.Filter(False, "c.py", all_frames=True)]).traces._traces
s.filter_traces([t.Filter(True, "*", domain=0), t.DomainFilter(False, 1)]).traces._traces
s.filter_traces([t.Filter(False, "a.py", domain=1)]).traces._traces
s.filter_traces([t.DomainFilter(True, 3)]).traces._traces
s.filter_traces([t.DomainFilter(True, None)]).traces._traces
s.filter_traces([t.Filter(True, "a.py", 2.0)]).traces._traces
s.filter_traces(()).traces == s.traces, s.filter_traces([]).traces._traces is s.traces._traces
s.filter_traces(iter([t.Filter(True, "b.py")])).traces._traces
s.filter_traces({t.Filter(True, "b.py"): 1}).traces._traces
s.filter_traces([t.Filter(True, "b.py")]).traceback_limit
s.filter_traces(3)
s.filter_traces(t.Filter(True, "b.py"))
s.filter_traces(None)
s.filter_traces([3])
s.filter_traces("x")
s.filter_traces([t.BaseFilter(True)])
s.filter_traces([Only(t)(True)]).traces._traces
s.filter_traces([Duck()]).traces._traces
t.Snapshot(tuple(RAW), 2).filter_traces([])
t.Snapshot(tuple(RAW), 2).filter_traces([t.Filter(True, "b.py")]).traces._traces
t.Snapshot([(0, 1, (("a", 1),))], 2).filter_traces([t.Filter(True, "b.py")])
t.Snapshot([(0, 1, (("a", 1),))], 2).statistics("lineno")
t.Snapshot([(0, 1, (("a", 1),), 1, 1)], 2).statistics("lineno")
t.Snapshot([(0, 1, [("a", 1)], 1)], 2).statistics("lineno")
t.Snapshot([], 2).statistics("lineno"), t.Snapshot([], 2).compare_to(s, "filename")
t.Snapshot(RAW, 2).traces._traces is RAW
sorted(vars(s)), s.traceback_limit, type(s).__name__
setattr(s, "extra", 5), s.extra, sorted(vars(s))
delattr(s, "traces"), s.statistics("lineno")
setattr(s, "traces", 3), s.statistics("lineno")
s._filter_trace([t.Filter(True, "b.py")], [t.Filter(False, "b.py", 4)], RAW[3])
s._filter_trace([], [t.Filter(False, "b.py", 1)], RAW[3])
vars(t.Filter(True, "a.pyc", 3, True, 2)), t.Filter(1, "a.pyo").filename_pattern
setattr(t.Filter(True, "a"), "filename_pattern", "b")
setattr(t.DomainFilter(True, 1), "domain", 2)
vars(t.DomainFilter(True, 1)), vars(t.BaseFilter(0)), t.DomainFilter(False, 4).domain
t.BaseFilter(True)._match(RAW[0])
t.Filter(True, "a.py")._match((0, 1, (("a.py", 1),)))
t.Filter(True, "a.py")._match((0, 1, (("a.py", 1),), 1, 1))
t.Filter(True, "a.py")._match([0, 1, (("a.py", 1),), 1, 1, 2])
t.Filter(True, "a.py")._match({0: 1, 1: 1, 2: 1, 3: 1, 4: 1})
t.Filter(True, "a.py")._match(iter(range(9)))
t.Filter(True, "a.py")._match((0, 1))
t.Filter(True, "a.py")._match_traceback(())
t.Filter(True, 3)
[t.Filter(i, "b.py", *rest)._match(trace) for i in (False, True) for rest in FILTER_ARGUMENTS for trace in RAW]
[t.DomainFilter(i, d)._match(trace) for i in (0, 1) for d in (0, 1, None) for trace in RAW]
[t.Filter(i, "b*", 4)._match_frame(f, n) for i in (0, 1) for f in ("b.py", "a") for n in (4, 5)]
t.start(3), t.is_tracing(), t.stop(), t.get_traceback_limit(), t.get_traced_memory()
t.is_tracing(), t._get_traces(), t.get_traced_memory()
t.get_object_traceback(3), t._get_object_traceback(3)
t.take_snapshot()
t.start(0)
t.start(-1)
t.start(65536)
t.start("x")
t.start(1.5)
t.start(None)
t.start(2**31)
t.start(-(2**70))
t.start(nframe=1)
t.start(1, 2)
t.stop(1)
t.is_tracing(x=1)
t._get_object_traceback()
t.clear_traces(), t.reset_peak(), t.stop()
""".strip().splitlines()  # noqa: E501


def only(module):
    class Only(module.BaseFilter):
        def _match(self, trace):
            return trace[0] == 2

    return Only


class Duck:
    inclusive = False

    def _match(self, trace):
        return trace[1] == 10


def outcome(module, expression):
    from collections.abc import Sequence

    names = {
        "t": module,
        "RAW": RAW,
        "RAW2": RAW2,
        "Sequence": Sequence,
        "Only": only,
        "Duck": Duck,
        "SIZES": [
            s * 1024**u // d
            for s, d, u in itertools.product(
                (0, 1, 99, 100, 199, 9999, 10239, 10240), (1, 2), range(5)
            )
        ],
        "FILTER_ARGUMENTS": list(
            itertools.product((None, 1, 4), (False, True), (None, 0, 2))
        ),
    }
    exec(SETUP, names)
    try:
        return repr(eval(expression, names))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_same_outcome(expression):
    assert outcome(ours, expression) == outcome(theirs, expression)


#: Name of a module's global -> a function of what stands there for what to put there.
REPLACEMENTS = {
    "_format_size": lambda was: lambda size, sign: ("sized", size, sign),
    "_format_size ": lambda was: lambda size, sign: was(size * 2, sign) + "!",
    "_format_size  ": lambda was: 3,
    "_normalize_filename": lambda was: lambda name: "b.py",
    "_normalize_filename ": lambda was: lambda name: was(name)[::-1],
    "_normalize_filename  ": lambda was: lambda name: 3,
    "_compare_grouped_stats": lambda was: lambda old, new: was(new, old),
    "_compare_grouped_stats ": lambda was: lambda old, new: [],
    "_compare_grouped_stats  ": lambda was: lambda old, new: (),
    "is_tracing": lambda was: lambda: True,
    "get_traceback_limit": lambda was: lambda: 77,
    "_get_traces": lambda was: lambda: RAW2,
    "_get_object_traceback": lambda was: lambda obj: (("o.py", obj),),
    "linecache": lambda was: SimpleNamespace(getline=lambda file, line: f"<{line}>"),
    "fnmatch": lambda was: SimpleNamespace(fnmatch=lambda name, what: name == "a.py"),
    "os": lambda was: SimpleNamespace(path=SimpleNamespace(normcase=str.upper)),
    "pickle": lambda was: SimpleNamespace(
        dump=lambda obj, file, protocol: file.write(b"in a pickle"),
        load=lambda file: file.read(),
        HIGHEST_PROTOCOL=0,
    ),
}  # fmt: skip


GONE = ["_format_size", "_normalize_filename", "_compare_grouped_stats", "is_tracing"]


@pytest.mark.parametrize(
    "name, gone", [(name, False) for name in REPLACEMENTS] + [(n, True) for n in GONE]
)
def test_replaced_globals_are_heard(name, gone, tmp_path, monkeypatch):
    """By whatever asks for them; `gone`: nothing is there any more."""
    expressions = [
        "str(stat), str(t.Statistic('x', 1, 0)), str(diff), repr(stat), repr(diff)",
        "str(s.traces[0]), repr(s.traces[0])",
        "t.Filter(True, 'a.pyc').filename_pattern, t.Filter(0, 'b.py')._match(RAW[2])",
        "s.filter_traces([t.Filter(True, 'a.py')]).traces._traces",
        "s.filter_traces([t.Filter(False, 'a.py', all_frames=True)]).traces._traces",
        "s.compare_to(s2, 'lineno')",
        "s.compare_to(s2, 'filename', True)",
        "s.statistics('lineno')",
        "t.take_snapshot().traces._traces, t.take_snapshot().traceback_limit",
        "t.get_object_traceback(5)",
        "tb.format()",
        f"s.dump({str(tmp_path / 'file')!r})",
        f"t.Snapshot.load({str(tmp_path / 'file')!r}) is None",
    ]
    outcomes = []
    for module in (theirs, ours):
        (tmp_path / "file").write_bytes(b"")
        with monkeypatch.context() as patch:
            if gone:
                patch.delattr(module, name.strip())
            else:
                replaced = REPLACEMENTS[name](getattr(module, name.strip()))
                patch.setattr(module, name.strip(), replaced)
            outcomes.append([outcome(module, expression) for expression in expressions])
    assert outcomes[1] == outcomes[0]


def public_names(module):
    return {name for name in dir(module) if not name.startswith("__")}


def test_same_names():
    assert public_names(theirs) <= public_names(ours)
    assert public_names(ours) - public_names(theirs) == {"_core", "_engine"}


def callables():
    for name in sorted(public_names(theirs)):
        value = getattr(theirs, name)
        if callable(value):
            yield name
        if isinstance(value, type) and value.__module__ == "tracemalloc":
            for method in sorted(vars(value)):
                if callable(getattr(value, method)) and method[:2] != "__":
                    yield f"{name}.{method}"


def attribute(module, path):
    for name in path.split("."):
        module = getattr(module, name)
    return module


@pytest.mark.parametrize("path", list(callables()))
def test_same_signature(path):
    their, our = attribute(theirs, path), attribute(ours, path)
    try:
        expected = inspect.signature(their)
    except (TypeError, ValueError) as error:
        pytest.skip(f"the standard library has none: {error}")
    assert inspect.signature(our) == expected
    assert our.__name__ == their.__name__


def bound_methods():
    for cls, arguments in (
        ("Snapshot", ([], 1)),
        ("Traceback", ((("f", 1),),)),
        ("Filter", (True, "f")),
        ("DomainFilter", (True, 1)),
        ("Statistic", (1, 2, 3)),
    ):
        for name in vars(getattr(theirs, cls)):
            if name[:2] != "__" and name != "_abc_impl":
                yield cls, arguments, name


@pytest.mark.parametrize("cls, arguments, name", list(bound_methods()))
def test_same_signature_of_bound_methods(cls, arguments, name):
    their = getattr(getattr(theirs, cls)(*arguments), name)
    our = getattr(getattr(ours, cls)(*arguments), name)
    assert callable(our) == callable(their)
    if callable(their):
        assert inspect.signature(our) == inspect.signature(their)


@pytest.mark.parametrize("name", [n for n in vars(theirs) if n[:2] != "__"])
def test_same_kind_and_home(name):
    their, our = getattr(theirs, name), getattr(ours, name)
    assert callable(our) == callable(their)
    assert isinstance(our, type) == isinstance(their, type)
    assert getattr(our, "__module__", None) == getattr(their, "__module__", None)


@pytest.mark.parametrize("name", ["Iterable", "Sequence", "fnmatch", "linecache"])
def test_same_imported_names(name):
    assert getattr(ours, name) is getattr(theirs, name)


OF_A_SUBCLASS = [
    "list(x)", "x[0], x[-1], x[:1], x[::-1], x[1:]", "x[7]", "x['a']", "repr(x)",
    "len(x), list(reversed(x))", "x[0] in x, x == x, x == base, base == x",
    "x.count(x[0]), x.index(x[0])", "[type(item).__name__ for item in x]",
]  # fmt: skip
SUBCLASSES = {
    "plain": lambda base: {},
    "shorter": lambda base: {"__len__": lambda self: 1},
    "shifted": lambda base: {
        "__getitem__": lambda self, i: base.__getitem__(self, i + 1)
    },
}


@pytest.mark.parametrize("subclass", SUBCLASSES)
@pytest.mark.parametrize(
    "name, argument", [("Traceback", (("a", 1), ("b", 2))), ("_Traces", RAW)]
)
@pytest.mark.parametrize("expression", OF_A_SUBCLASS)
def test_subclasses_of_sequences(name, argument, subclass, expression):
    outcomes = []
    for module in (theirs, ours):
        base = getattr(module, name)
        made = type(base)("Sub", (base,), SUBCLASSES[subclass](base))(argument)
        names = {"x": made, "base": base(argument)}
        try:
            outcomes.append(repr(eval(expression, names)))
        except Exception as error:
            outcomes.append(f"{type(error).__name__}: {error}")
    assert outcomes[1] == outcomes[0]


class TestEngineModule:
    """The module object that stands for _tracemalloc."""

    import _tracemalloc as theirs

    def test_same_names(self):
        assert dir(ours._engine) == dir(self.theirs)

    def test_same_texts(self):
        for name in dir(self.theirs):
            their, our = getattr(self.theirs, name), getattr(ours._engine, name)
            if callable(their) and name[:2] != "__":
                assert our.__doc__ == their.__doc__
                assert our.__text_signature__ == their.__text_signature__
                assert our.__module__ == their.__module__ == "_tracemalloc"
                assert getattr(ours, name, our) is our

    @pytest.mark.parametrize("keywords", [{}, {"a": 1}])
    @pytest.mark.parametrize("args", [(1, 2), ("x",), (0,), (2**70,), (1.5,)])
    def test_same_errors(self, args, keywords):
        for name in ("start", "stop", "_get_traces", "_get_object_traceback"):
            outcomes = []
            for module in (self.theirs, ours._engine):
                try:
                    outcomes.append(repr(getattr(module, name)(*args, **keywords)))
                except Exception as error:
                    outcomes.append(f"{type(error).__name__}: {error}")
            assert outcomes[0] == outcomes[1]


def test_pickles_keep_the_shape():
    snapshot = ours.Snapshot(list(RAW), 2)
    snapshot.extra = "e"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        state = vars(pickle.loads(pickle.dumps(snapshot, protocol)))
        assert state["traceback_limit"] == 2 and state["extra"] == "e"
        assert vars(state["traces"]) == {"_traces": RAW}
