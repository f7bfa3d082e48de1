# SPDX-License-Identifier: MIT
"""filter_traces() of the main face against the rules, spelled out site by site."""

from __future__ import annotations

import copy
import fnmatch
import pickle
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytracemalloc import BaseFilter, Filter, Snapshot

FILES = ["a.py", "dir/b.py", "b.pyc", "", "<unknown>", "é\udcff.py"]
NAMES = [None, "f", "C.f", "<module>", ""]
MODULES = [None, "a", "pkg.b", "pkg"]

frames = st.tuples(st.sampled_from(FILES), st.sampled_from(NAMES), st.integers(0, 2))
#: See the fixture snapshot_of; one block each.
sites = st.tuples(
    st.lists(frames, min_size=1, max_size=5).map(tuple),
    st.integers(0, 9),
    st.sampled_from([0, 0, 3]),
    *[st.just(1)] * 3,
)
modules = st.fixed_dictionaries({file: st.sampled_from(MODULES) for file in FILES})

PATTERNS = ["*", "?.py", "a.py", "b.pyc", "*b*", "[!a]*", "<*>", "", "pkg*", "f", "*.f"]
patterns = st.sampled_from(PATTERNS) | st.lists(st.sampled_from(PATTERNS), max_size=3)
maybe_patterns = st.none() | patterns


class Condition(NamedTuple):
    """What a Filter is made from."""

    inclusive: bool
    filename_pattern: Any
    lineno: int | None
    all_frames: bool
    domain: int | None
    function: Any
    module: Any


class Domains(BaseFilter):
    """A filter that the package knows nothing about."""

    def _match(self, trace):
        return (trace[0] == 3) == self.inclusive


conditions = st.builds(
    Condition,
    st.booleans(),
    patterns,
    st.sampled_from([None, None, 0, 1]),
    st.booleans(),
    st.sampled_from([None, None, 0, 3]),
    maybe_patterns,
    maybe_patterns,
)


def filter_of(condition: Condition) -> Filter:
    positional, keyword = condition[:5], condition._asdict()
    chosen = {name: keyword[name] for name in ("function", "module")}
    return Filter(*positional, **chosen)


def normalized(name: str) -> str:
    return name[:-1] if name.endswith((".pyc", ".pyo")) else name


def text_matches(text: str | None, wanted: Any, normalize: Any = str) -> bool:
    if wanted is None:
        return True
    wanted = [wanted] if isinstance(wanted, str) else wanted
    return text is not None and any(
        fnmatch.fnmatchcase(normalize(text), normalize(pattern)) for pattern in wanted
    )


def passes(modules: Any, condition: Condition, site: Any) -> bool:
    frames, _, domain, *_ = site
    found = any(
        text_matches(file, condition.filename_pattern, normalized)
        and text_matches(name, condition.function)
        and text_matches(modules[file], condition.module)
        and condition.lineno in (None, line)
        for file, name, line in (frames if condition.all_frames else frames[:1])
    )
    if condition.domain is not None:
        found = found and condition.domain == domain
    return found == condition.inclusive


def kept(site: Any, rules: list[tuple[bool, Any]]) -> bool:
    """Rules: inclusive or not, and what lets a site pass."""
    inclusive = [passing(site) for wanted, passing in rules if wanted]
    exclusive = [passing(site) for wanted, passing in rules if not wanted]
    return (not inclusive or any(inclusive)) and all(exclusive)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    st.lists(sites, max_size=12),
    modules,
    st.lists(conditions, max_size=3),
    st.lists(st.booleans(), max_size=1),
)
def test_filters_are_the_models(snapshot_of, sites, modules, asked, foreign):
    filters = [*map(filter_of, asked), *map(Domains, foreign)]
    rules = [(c.inclusive, lambda s, c=c: passes(modules, c, s)) for c in asked]
    rules += [(i, lambda s, i=i: (s[2] == 3) == i) for i in foreign]
    found = snapshot_of(sites, modules).filter_traces(filters)
    raw = [(domain, size, frames) for domain, size, frames, _ in found.traces._traces]
    assert raw == [
        (domain, size, tuple((file, line) for file, _, line in frames))
        for frames, size, domain, *_ in (site for site in sites if kept(site, rules))
    ]


@pytest.fixture
def two_sites(snapshot_of):
    outer = ("main.py", "main", 1)
    stacks = [(("a.py", "f", 1), outer), (("b.py", "g", 2), outer)]
    sites = [(stack, 8, 0, 1, 1, 1) for stack in stacks]
    return snapshot_of(sites, {"a.py": "pkg.a", "b.py": None, "main.py": "main"})


def files_of(snapshot):
    return [trace.traceback[0].filename for trace in snapshot.traces]


@pytest.mark.parametrize(
    "keywords, files",
    [
        ({"function": "f"}, ["a.py"]),
        ({"function": ["f", "g"]}, ["a.py", "b.py"]),
        ({"function": ("g",)}, ["b.py"]),
        ({"function": []}, []),
        ({"function": "main"}, []),
        ({"function": "main", "all_frames": True}, ["a.py", "b.py"]),
        ({"function": "f", "module": "main", "all_frames": True}, []),
        ({"module": "pkg.*"}, ["a.py"]),
        ({"module": "*"}, ["a.py"]),
        ({"filename_pattern": ["a.pyc", "c.py"]}, ["a.py"]),
        ({"filename_pattern": []}, []),
    ],
)
def test_filters_by_example(two_sites, keywords, files):
    assert files_of(two_sites.filter_traces([Filter(True, **keywords)])) == files
    others = [name for name in ("a.py", "b.py") if name not in files]
    assert files_of(two_sites.filter_traces([Filter(False, **keywords)])) == others


def test_attributes_of_filters():
    one = Filter(True, ["a.pyc", "b.py"], function="f", module=["m", "n.*"])
    assert one.filename_pattern == ("a.py", "b.py")
    assert (one.function, one.module) == ("f", ("m", "n.*"))
    plain = Filter(True, "a.pyc")
    assert (plain.filename_pattern, plain.function, plain.module) == (
        "a.py",
        None,
        None,
    )
    assert set(vars(plain)) == {
        "inclusive", "_filename_pattern", "lineno", "all_frames", "domain",
    }  # fmt: skip
    assert Filter(True, module="m").filename_pattern == "*"
    for filter in (one, plain):
        for again in (pickle.loads(pickle.dumps(filter)), copy.copy(filter)):
            assert vars(again) == vars(filter)
    one.__init__(True, "z")
    assert (one.filename_pattern, one.function, one.module) == ("z", None, None)
    with pytest.raises(AttributeError, match="property 'module' of 'Filter' object"):
        one.module = "m"


@pytest.mark.parametrize(
    "arguments, keywords, words",
    [
        ((), {}, r"missing required argument 'inclusive' \(pos 1\)"),
        ((True,), {}, r"missing required argument 'filename_pattern' \(pos 2\)"),
        ((True, "a"), {"function": 3}, "^function must be a str .* not int$"),
        ((True, "a"), {"module": [b"m"]}, "not a list with bytes$"),
        ((True, ["a", None]), {}, "^filename_pattern .* with NoneType$"),
        ((True, "a", None, False, None, "f"), {}, "at most 5 positional arguments"),
    ],
)  # fmt: skip
def test_wrong_filters(arguments, keywords, words):
    with pytest.raises(TypeError, match=words):
        Filter(*arguments, **keywords)


def test_several_patterns_on_single_traces():
    filter = Filter(True, ["a.pyc", "b*"])
    for file, expected in (("a.py", True), ("a.pyc", True), ("bb", True), ("c", False)):
        assert filter._match((0, 1, ((file, 1),), 1)) is expected


def test_single_traces_tell_no_function(two_sites):
    class Own(Filter):
        pass

    words = "works on whole snapshots only"
    for filter in (Own(True, "*", function="f"), Own(False, "*", module="m")):
        with pytest.raises(ValueError, match=words):
            two_sites.filter_traces([filter])
        with pytest.raises(ValueError, match=words):
            filter._match((0, 1, (("a", 1),), 1))


def test_hand_made_snapshots_know_no_names():
    snapshot = Snapshot([(0, 8, (("a.py", 1),), 1)], 1)
    for keywords in ({"function": "*"}, {"module": "*"}):
        assert len(snapshot.filter_traces([Filter(True, **keywords)]).traces) == 0
        assert len(snapshot.filter_traces([Filter(False, **keywords)]).traces) == 1
