# SPDX-License-Identifier: MIT
"""Other allocator hooks, put on and taken off in every order with ours."""

import ptm_testalloc as alloc
import ptm_testhooks as hooks
from hook_chain import Chain

import pytracemalloc

DOMAINS = (0, 1, 2)


def check(traced, asked):
    """Each domain once; whether it is traced, exactly once, and the wrapper asked."""
    for domain in DOMAINS:
        calls = hooks.wrapped()[domain]
        block = alloc.malloc(domain, 40_001)
        if traced:
            sizes = [t.size for t in pytracemalloc.take_snapshot().traces]
            assert sizes.count(40_001) == 1, (domain, sizes.count(40_001))
        block = alloc.realloc(domain, block, 50_001)
        alloc.free(domain, block)
        if traced:
            sizes = [t.size for t in pytracemalloc.take_snapshot().traces]
            assert 40_001 not in sizes and 50_001 not in sizes
        assert (hooks.wrapped()[domain] > calls) == asked, domain


def wrap():
    for domain in DOMAINS:
        hooks.wrap(domain)


def unwrap():
    """Puts back what was there, and cuts off what came after it."""
    for domain in DOMAINS:
        hooks.unwrap(domain)


MOVES = {
    "wrapper+": wrap,
    "wrapper-": unwrap,
    "ours+": lambda: pytracemalloc.start(2),
    "ours-": pytracemalloc.stop,
}


def orders(done, left):
    """Every interleaving of so many pairs of moves, one pair of each name at a time."""
    if not any(left.values()):
        yield done
    for name in left:
        if left[name]:
            is_open = done.count(f"{name}+") > done.count(f"{name}-")
            rest = {**left, name: left[name] - is_open}
            yield from orders([*done, f"{name}-" if is_open else f"{name}+"], rest)


chain = Chain("wrapper")
tracing = False
seen = 0
for order in orders([], {"wrapper": 3, "ours": 3}):
    for move in order:
        MOVES[move]()
        chain.follow(move)
        tracing = {"ours+": True, "ours-": False}.get(move, tracing)
        check(tracing and "ours" in chain.called, "wrapper" in chain.called)
    seen += 1
assert seen > 100
print("ok", seen)
