#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the coefficients of backend/lanes_exp.hpp (exp2, expm1), lanes_log.hpp, lanes_pow.hpp and
lanes_trig.hpp.

    python3 tools/fit_polynomials.py [name ...]          # a second or two each; needs nothing but Python

Each polynomial P makes the largest |weight(x) (f(x) - P(x))| on [low, high] nearly as small as any does (Remez exchange in
50 digits). The weight turns it into the relative error of the function that P is a part of. Coefficients are then rounded to
float one after another, the lowest first, and those that are left are fitted again, so that they make up for the rounding.
Beside each stands the error that is left, in units of 2^-24; what a register makes of it, with its own roundings, is
measured in tests/backend/lanes_math_test.cpp.
"""
import struct
import sys
from decimal import Decimal as D
from decimal import getcontext

getcontext().prec = 50
LN2 = D(2).ln()
PI = D("3.14159265358979323846264338327950288419716939937510582097494")


def log1p(x):
    return (1 + x).ln()


def taylor(x, first, odd):
    """sin or cos, less their first terms: the sum of (-1)^k x^n / n! from n = first on."""
    n, k, total = odd, 0, D(0)
    term = x if odd else D(1)
    while abs(term) > D(10) ** -60 or n < first + 2:
        if n >= first:
            total += term
        n, k = n + 2, k + 1
        term = -term * x * x / (n * (n - 1))
    return total


def sin(x):
    return taylor(x, 1, 1)


def cos(x):
    return taylor(x, 0, 0)


def atanh_rest(s):
    """(2 artanh(s) - 2 s) / s^3."""
    total, n = D(0), 3
    while s ** (n - 3) > D(10) ** -50:
        total += 2 * s ** (n - 3) / n
        n += 2
    return total


HALF_LN2, EIGHTH = LN2 / 2 * D("1.001"), PI / 4 * D("1.06")
SQRT_HALF = D("0.5").sqrt()
S_END = (D(2).sqrt() - 1) / (D(2).sqrt() + 1)
FITS = {  # name: (f(x), weight(x), low, high, coefficients)
    "exp2: (2^r - 1) / r": (lambda r: ((r * LN2).exp() - 1) / r, lambda r: r / (r * LN2).exp(), D("-0.5"), D("0.5"), 6),
    "expm1: (e^r - 1 - r) / r^2": (lambda r: (r.exp() - 1 - r) / r**2, lambda r: r**2 / (r.exp() - 1), -HALF_LN2, HALF_LN2,
                                   6),
    "log: (log(1 + f) - f + f^2 / 2) / f^3": (lambda f: (log1p(f) - f + f * f / 2) / f**3, lambda f: f**3 / log1p(f),
                                              SQRT_HALF - 1, D(2).sqrt() - 1, 8),
    "pow: (log2((1 + s) / (1 - s)) / s - (2 + 2/3 s^2) / ln 2) / s^4 in s^2":
        (lambda t: (atanh_rest(t.sqrt()) - D(2) / 3) / t / LN2, lambda t: t**2 * LN2 / 2, D(0), S_END**2, 3),
    "sin: (sin(r) - r) / r^3 in r^2": (lambda t: taylor(t.sqrt(), 3, 1) / (t.sqrt() * t),
                                       lambda t: t.sqrt() * t / sin(t.sqrt()), D("1e-12"), EIGHTH**2, 4),
    "cos: (cos(r) - 1 + r^2 / 2) / r^4 in r^2": (lambda t: taylor(t.sqrt(), 4, 0) / t**2, lambda t: t**2 / cos(t.sqrt()),
                                                 D("1e-12"), EIGHTH**2, 4),
}


def to_float(x):
    return D(struct.unpack("f", struct.pack("f", float(x)))[0])


def solve(rows):
    n = len(rows)
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(rows[r][i]))
        rows[i], rows[p] = rows[p], rows[i]
        for r in range(i + 1, n):
            q = rows[r][i] / rows[i][i]
            rows[r] = [a - q * b for a, b in zip(rows[r], rows[i])]
    x = [D(0)] * n
    for i in reversed(range(n)):
        x[i] = (rows[i][n] - sum(rows[i][j] * x[j] for j in range(i + 1, n))) / rows[i][i]
    return x


def remez(samples, fixed, count):
    """The best coefficients after the fixed ones, and the error that is left. samples: (x, f(x), weight(x)), x ascending."""
    k = count - len(fixed)
    rest = [(x, f - sum(c * x**i for i, c in enumerate(fixed)), w) for x, f, w in samples]
    picks = [i * (len(rest) - 1) // k for i in range(k + 1)]  # the samples lie like the extrema of a Chebyshev polynomial
    for _ in range(12):
        rows = []
        for i, p in enumerate(picks):
            x, f, w = rest[p]
            rows.append([w * x ** (len(fixed) + j) for j in range(k)] + [D((-1) ** i), w * f])
        *c, level = solve(rows)
        error = [w * (f - sum(a * x ** (len(fixed) + j) for j, a in enumerate(c))) for x, f, w in rest]
        # The largest error of each run of one sign; of those, the k + 1 neighbours that hold the largest of all.
        runs = []
        for i, e in enumerate(error):
            if runs and (error[runs[-1]] > 0) == (e > 0):
                runs[-1] = i if abs(e) > abs(error[runs[-1]]) else runs[-1]
            else:
                runs.append(i)
        while len(runs) > k + 1:
            runs.pop(0 if abs(error[runs[0]]) < abs(error[runs[-1]]) else -1)
        if len(runs) <= k or runs == picks:
            break
        picks = runs
    return fixed + c, max(abs(e) for e in error)


def fit(f, weight, low, high, count):
    points = 400
    xs = [low + (high - low) * (1 - cos(PI * D(i) / points)) / 2 for i in range(points + 1)]
    samples = [(x, f(x), abs(weight(x))) for x in xs if abs(x) > D("1e-13")]
    fixed, best = [], None
    for _ in range(count):
        c, error = remez(samples, fixed, count)
        if best is None or error < 2 * best[1]:  # else the exchange found no better place: keep what there was
            best = c, error
        fixed.append(to_float(best[0][len(fixed)]))
    error = max(abs(w * (f - sum(c * x**i for i, c in enumerate(fixed)))) for x, f, w in samples)
    return fixed, error


def hex_float(x):
    mantissa, exponent = float(x).hex().split("p")
    return f"{mantissa.rstrip('0')}p{int(exponent)}f"


def parts(x, bits):
    """x as a sum of numbers of so many bits each."""
    out = []
    for b in bits:
        scale = D(2) ** (b - 1 - int((abs(x).ln() / LN2).to_integral_value(rounding="ROUND_FLOOR")))
        out.append((x * scale).to_integral_value() / scale)
        x -= out[-1]
    return out


def main():
    for name, spec in FITS.items():
        if len(sys.argv) == 1 or any(name.startswith(word) for word in sys.argv[1:]):
            c, error = fit(*spec)
            print(f"{name}: {float(error * 2**24):.3f}\n  " + ", ".join(hex_float(x) for x in c))
    print("pi / 2 in 24 bits each\n  " + ", ".join(hex_float(x) for x in parts(PI / 2, [24, 24, 24])))
    print("pi / 2 in 11 bits each, and the rest\n  " + ", ".join(hex_float(x) for x in parts(PI / 2, [11, 11, 11, 11, 24])))
    print("2 / ln 2\n  " + ", ".join(hex_float(x) for x in parts(2 / LN2, [24, 24])))
    print("2/3 / ln 2\n  " + ", ".join(hex_float(x) for x in parts(2 / LN2 / 3, [24, 24])))
    print("ln 2\n  " + ", ".join(hex_float(x) for x in parts(LN2, [15, 24])))


if __name__ == "__main__":
    main()
