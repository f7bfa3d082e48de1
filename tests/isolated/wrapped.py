# SPDX-License-Identifier: MIT
"""Other allocator hooks, put on and taken off in every order with ours."""

import ptm_testalloc as alloc
import ptm_testhooks as hooks

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


class Chain:
    """Who calls whom. `top` is what Python calls; None is its own allocator."""

    def __init__(self):
        self.top = self.below_wrapper = self.below_ours = None
        self.tracing = False

    def reached(self):
        found, at = [], self.top
        while at is not None:
            found.append(at)
            at = self.below_wrapper if at == "wrapper" else self.below_ours
        return found

    def wrap(self):
        for domain in DOMAINS:
            hooks.wrap(domain)
        self.top, self.below_wrapper = "wrapper", self.top

    def unwrap(self):
        """Puts back what was there, and cuts off what came after it."""
        for domain in DOMAINS:
            hooks.unwrap(domain)
        self.top = self.below_wrapper

    def start(self):
        pytracemalloc.start(2)
        self.tracing = True
        if "ours" not in self.reached():
            self.top, self.below_ours = "ours", self.top

    def stop(self):
        """Takes ours out, unless somebody wrapped us since."""
        pytracemalloc.stop()
        self.tracing = False
        if self.top == "ours":
            self.top = self.below_ours


PAIRS = {"wrap": "unwrap", "start": "stop"}


def orders(done, left):
    """Every interleaving of so many wrap/unwrap and start/stop pairs, one at a time."""
    if not any(left.values()):
        yield done
    for first, second in PAIRS.items():
        if left[first]:
            is_open = done.count(first) > done.count(second)
            rest = {**left, first: left[first] - is_open}
            yield from orders([*done, second if is_open else first], rest)


chain = Chain()
seen = 0
for order in orders([], {"wrap": 3, "start": 3}):
    for what in order:
        getattr(chain, what)()
        reached = chain.reached()
        check(chain.tracing and "ours" in reached, "wrapper" in reached)
    seen += 1
assert seen > 100
print("ok", seen)
