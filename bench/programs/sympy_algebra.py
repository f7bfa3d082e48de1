# SPDX-License-Identifier: MIT
"""sympy: a computer algebra expands, factors, differentiates, integrates, solves."""

import sympy
from ptm_bench_child import region
from sympy.abc import x, y, z

ROUNDS = 2


def algebra(k: int) -> None:
    """Polynomials and functions; every round another constant, so that caches miss."""
    power = sympy.expand((1 + x + y + z + k) ** 9)
    assert sympy.factor(sympy.expand((x + y + k) ** 4 * (x - y) ** 3)) != 0
    slope = sympy.diff(sympy.sin(x * y) * sympy.exp(x + k) / (1 + x**2), x, 3)
    sympy.simplify(sympy.sin(x + k) ** 2 + sympy.cos(x + k) ** 2)
    sympy.integrate(x**3 * sympy.exp(x) * (x + k), x)
    sympy.solve(x**3 - (k + 6) * x**2 + 11 * x - 6, x)
    sympy.series(sympy.log(1 + x) * sympy.cos(x) / (1 + k + x), x, 0, 8)
    matrix = sympy.Matrix(5, 5, lambda i, j: x**i + y * j + k)
    assert str(power) and str(slope) and matrix.det() is not None


def main() -> None:
    for k in range(2, 2 + ROUNDS):
        algebra(k)


if __name__ == "__main__":
    with region():
        main()
