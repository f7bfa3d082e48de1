# SPDX-License-Identifier: MIT
"""Found on the path of every benchmarked process: starts the tracer asked for."""

import ptm_bench_child

ptm_bench_child.begin()
