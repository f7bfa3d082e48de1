# SPDX-License-Identifier: MIT
"""(b) The programs of pyperformance: fixed before our first run, none removed after.

Each row is a program of pyperformance 1.14.0, started as its own worker with a fixed
number of loops (0.3 to 1 s of CPU untraced) and no warm-up: what the first pass costs
a tracer is in the figure. The region is the benchmark function with all its loops.
"""

from __future__ import annotations

from pathlib import Path

from pairs import Program

WORKER = ("--worker", "--warmups=0", "--values=1", "--hook=ptm_bench")

# name, directory without bm_, loops, arguments, which bench_*_func call of the script
TRIED = (
    ("richards", "richards", 12, (), 0),
    ("pickle", "pickle", 4000, ("pickle",), 0),
    ("json_dumps", "json_dumps", 60, (), 0),
    ("mako", "mako", 50, (), 0),
    ("docutils", "docutils", 1, (), 0),
    ("sqlglot_v2_parse", "sqlglot_v2", 400, ("parse",), 0),
    ("networkx_shortest_path", "networkx", 1, ("shortest_path",), 0),
    ("tornado_http", "tornado_http", 6, (), 0),
    ("sqlalchemy_declarative", "sqlalchemy_declarative", 6, (), 0),
    ("django_template", "django_template", 15, (), 0),
    ("sympy_expand", "sympy", 2, ("expand",), 0),
    ("sympy_integrate", "sympy", 25, ("integrate",), 0),
    ("sympy_sum", "sympy", 5, ("sum",), 0),
    ("sympy_str", "sympy", 2, ("str",), 0),
    ("xdsl", "xdsl", 15, (), 0),
    ("fastapi_http", "fastapi", 3, (), 0),
    ("dulwich_log", "dulwich_log", 8, (), 0),
    ("html5lib", "html5lib", 8, (), 0),
)
ALLOCATION_HEAVY = (
    ("sqlglot_v2_transpile", "sqlglot_v2", 300, ("transpile",), 0),
    ("sqlglot_v2_optimize", "sqlglot_v2", 10, ("optimize",), 0),
    ("sqlglot_v2_normalize", "sqlglot_v2", 4, ("normalize",), 0),
    ("deepcopy", "deepcopy", 2000, (), 0),
    ("deepcopy_reduce", "deepcopy", 100_000, (), 1),
    ("deepcopy_memo", "deepcopy", 15_000, (), 2),
    ("pickle_pure_python", "pickle", 100, ("--pure-python", "pickle"), 0),
    ("unpickle_list", "pickle", 10_000, ("unpickle_list",), 0),
    ("json_loads", "json_loads", 1500, (), 0),
    ("networkx_connected_components", "networkx", 1, ("connected_components",), 0),
    ("networkx_k_core", "networkx", 1, ("k_core",), 0),
    ("xml_etree_parse", "xml_etree", 5, ("parse",), 0),
    ("xml_etree_iterparse", "xml_etree", 8, ("iterparse",), 0),
    ("xml_etree_generate", "xml_etree", 8, ("generate",), 0),
    ("xml_etree_process", "xml_etree", 10, ("process",), 0),
    ("gc_collect", "gc_collect", 100, (), 0),
    ("gc_traversal", "gc_traversal", 100, (), 0),
)
TREE_KINDS = ("none", "io", "memoization", "cpu_io_mixed")
TREE_LOOPS = {"none": 2, "eager": 6}  # every other variant: 1


def _trees() -> list[tuple[str, str, int, tuple[str, ...], int]]:
    found = []
    for kind in TREE_KINDS:
        eager = "eager" if kind == "none" else f"eager_{kind}"
        for variant in (kind, eager):
            for groups in ((), ("--task-groups",)):
                name = f"async_tree_{variant}" + ("_tg" if groups else "")
                loops = TREE_LOOPS.get(variant, 1)
                found.append((name, "async_tree", loops, (variant, *groups), 0))
    return found


def programs(python: Path) -> list[Program]:
    """All rows, for the venv of `python`, which has pyperformance in it."""
    data = _benchmarks(python)
    made = []
    for name, directory, loops, argv, task in (*TRIED, *ALLOCATION_HEAVY, *_trees()):
        script = data / f"bm_{directory}" / "run_benchmark.py"
        options = (f"--loops={loops}", f"--worker-task={task}")
        command = (str(script), *WORKER, *options, *argv)
        made.append(Program(name, command, directory))
    return made


def _benchmarks(python: Path) -> Path:
    """Where pyperformance keeps its programs."""
    inside = "site-packages/pyperformance/data-files/benchmarks"
    for found in python.parent.parent.glob(f"lib/python3.*/{inside}"):
        return found
    raise SystemExit(f"no pyperformance in the environment of {python}")
