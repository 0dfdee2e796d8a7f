"""Programs of two checkouts against each other: `python tests/bench/bench_commits.py OLD NEW [NAME …]`.

OLD and NEW are folders that hold a `tinygrad_lite`. Each workload runs in fresh processes, old and new by turns, since
after large frees the C library stops giving fresh pages and two programs in one process differ by half. The time is the
processor's, the least of many calls, so that other work on the machine matters little.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Timed = dict[str, Callable[[], Any]]
ROUNDS = 3


def least(call: Callable[[], Any], spend: float = 0.4) -> float:
    """Seconds of the processor for one call."""
    best, spent, inner = math.inf, 0.0, 1
    while spent < spend:
        start = time.process_time()
        for _ in range(inner):
            call()
        took = time.process_time() - start
        spent += took
        if took < 0.002:
            inner *= 4
        else:
            best = min(best, took / inner)
    return best


def points(count: int, inputs: int = 3) -> list[Any]:
    chance = np.random.default_rng(0)
    return [chance.uniform(0.5, 2, count) for _ in range(inputs)]


def formula(tl: Any, count: int) -> Timed:
    a, b, c = inputs = [tl.Value(x) for x in (1.1, 0.7, 0.3)]
    root = tl.sigmoid(a * b + c) * tl.tanh(a - c / b) + tl.log(1 + tl.exp(b * c))
    program, arrays = tl.compile(root, inputs), points(count)
    return {"value and gradient": lambda: program.value_and_grad(*arrays), "value": lambda: program(*arrays)}


def perceptron(tl: Any, sizes: tuple[int, ...], count: int) -> Timed:
    chance = random.Random(0)
    xs, y = [tl.Value(0.1) for _ in range(sizes[0])], tl.Value(1.0)
    layer: list[Any] = xs
    for depth, (width, height) in enumerate(itertools.pairwise(sizes)):
        rows = [[tl.Value(chance.uniform(-1, 1) / width**0.5) for _ in range(width)] for _ in range(height)]
        layer = [tl.dot(row, layer) + tl.Value(0.0) for row in rows]
        if depth < len(sizes) - 2:
            layer = [tl.relu(z) for z in layer]
    loss = tl.relu(1 - y * layer[0]) if sizes[-1] == 1 else tl.cross_entropy(layer, 3)
    draws = np.random.default_rng(0)
    x, target = draws.normal(size=(count, sizes[0])), np.sign(draws.normal(size=count))
    program = tl.compile(loss, [xs, y])
    numbers = np.array([parameter.data for parameter in program.parameters])
    return {
        "gradient": lambda: program.loss_and_grad(numbers, x, target),
        "compile and first gradient": lambda: tl.compile(loss, [xs, y]).loss_and_grad(numbers, x[:1], target[:1]),
    }


def recursion(tl: Any, steps: int, count: int) -> Timed:
    """A chain of a state, as in a likelihood of variances: one output, three parameters."""
    omega, alpha, beta, x = parameters = [tl.Value(v) for v in (0.1, 0.2, 0.7, 0.5)]
    state = x
    for i in range(steps):
        state = omega + alpha * tl.tanh(state) + beta * state * (0.5 + i % 3 / 4)
    program, arrays = tl.compile(state, parameters), points(count, 4)

    def eager() -> None:
        state.backward()

    return {"gradient": lambda: program.value_and_grad(*arrays), "backward alone": eager}


def garch(tl: Any, steps: int) -> Timed:
    """A likelihood of that many returns, recorded eagerly or compiled with the returns as inputs."""
    returns = np.random.default_rng(0).normal(size=steps)

    def likelihood(xs: Any, omega: Any, alpha: Any, beta: Any) -> Any:
        variance, total = 1.0, 0.0
        for x in xs:
            total = total + tl.log(variance) + x * x / variance
            variance = omega + alpha * x * x + beta * variance
        return total

    def eager() -> None:
        likelihood(returns.tolist(), *[tl.Value(v) for v in (0.1, 0.1, 0.8)]).backward()

    xs, parameters = [tl.Value(x) for x in returns.tolist()], [tl.Value(v) for v in (0.1, 0.1, 0.8)]
    program = tl.compile(likelihood(xs, *parameters), [xs])
    return {"compiled": lambda: program.backward(returns), "eager": eager}


def attention(tl: Any, count: int) -> Timed:
    """A softmax of dots over 8 × 8, weighting values."""
    queries, keys, values = ([[tl.Value(0.1 * i - 0.03 * j) for j in range(8)] for i in range(8)] for _ in range(3))
    out = []
    for q in queries:
        weights = tl.softmax([tl.dot(q, k) for k in keys])
        out.append(tl.sum([w * tl.sum(v) for w, v in zip(weights, values, strict=True)]))
    root = tl.sum(out)
    groups = [[x for row in each for x in row] for each in (queries, keys, values)]
    program = tl.compile(root, groups)
    arrays = [np.random.default_rng(i).normal(size=(count, 64)) for i in range(3)]
    return {
        "value and gradient": lambda: program.value_and_grad(*arrays),
        "compile and first gradient": lambda: tl.compile(root, groups).value_and_grad(*[each[:1] for each in arrays]),
    }


def long_formula(tl: Any, *, wide: bool) -> Timed:
    chance = random.Random(0)
    inputs = [tl.Value(chance.uniform(0.5, 1)) for _ in range(3)]
    nodes = list(inputs)

    def other() -> Any:
        return chance.choice(nodes if wide else nodes[-50:])

    kinds = [tl.sin, tl.tanh, tl.sigmoid, lambda x: x * other(), lambda x: tl.sin(x) + other()]
    while len(nodes) < 84_000:
        nodes.append(chance.choice(kinds)(other() if wide else nodes[-1]))
    root = tl.sum(nodes[-50_000:]) if wide else nodes[-1]
    program = tl.compile(root, inputs)

    def first() -> None:
        tl.compile(root, inputs).value_and_grad(1.0, 1.0, 1.0)

    return {"compile and first gradient": first, "gradient": lambda: program.value_and_grad(1.0, 1.0, 1.0)}


def runge_kutta(tl: Any) -> Timed:
    """The residuals of a pendulum with drag, by Runge-Kutta: 200 for four parameters."""
    inputs = [tl.Value(v) for v in (1.0, 0.1, 0.5, 0.0)]
    stiffness, drag, angle, speed = inputs
    residuals, h = [], 0.05

    def slope(a: Any, s: Any) -> tuple[Any, Any]:
        return s, -(stiffness * tl.sin(a)) - drag * s

    for _ in range(200):
        k1 = slope(angle, speed)
        k2 = slope(angle + h / 2 * k1[0], speed + h / 2 * k1[1])
        k3 = slope(angle + h / 2 * k2[0], speed + h / 2 * k2[1])
        k4 = slope(angle + h * k3[0], speed + h * k3[1])
        angle, speed = (
            each + h / 6 * (k1[i] + 2 * (k2[i] + k3[i]) + k4[i]) for i, each in enumerate((angle, speed))
        )
        residuals.append(angle)
    program = tl.compile(residuals, inputs)
    calls: Timed = {"values": lambda: program(1.0, 0.1, 0.5, 0.0)}
    if hasattr(program, "jacobian"):
        calls["jacobian"] = lambda: program.jacobian(1.0, 0.1, 0.5, 0.0)
    return calls


# Functions with branches and loops


def newton(a: Any) -> Any:
    x = a
    for _ in range(100):
        if abs(x * x - a) < 1e-14 * a:
            break
        x = x - (x * x - a) / (2 * x)
    return x


def escape_time(a: Any, b: Any) -> Any:
    a, b = a - 1.5, b - 1.25  # some points of these never escape
    x, y = 0.0, 0.0
    for i in range(50):
        x, y = x * x - y * y + a, 2 * x * y + b
        if x * x + y * y > 4:
            return i
    return 50


def tax(income: Any) -> Any:
    total, before = 0.0, 0.0
    for limit, rate in ((0.6, 0.1), (0.8, 0.2), (1.4, 0.3), (math.inf, 0.4)):
        if income <= limit:
            return total + (income - before) * rate
        total, before = total + (limit - before) * rate, limit
    raise AssertionError


def vectorized(tl: Any, f: Callable[..., Any], count: int) -> Timed:
    function, arrays = tl.vectorize(f), points(count, f.__code__.co_argcount)
    return {"value": lambda: function(*arrays), "value and gradient": lambda: function.value_and_grad(*arrays)}


WORK: dict[str, Callable[[Any], Timed]] = {
    **{f"formula, {n} points": lambda tl, n=n: formula(tl, n) for n in (10, 1000, 10**5, 10**6)},
    **{f"2-16-16-1, {n} points": lambda tl, n=n: perceptron(tl, (2, 16, 16, 1), n) for n in (100, 10_000)},
    "64-128-128-1, 256 points": lambda tl: perceptron(tl, (64, 128, 128, 1), 256),
    "64-32-10, 256 points": lambda tl: perceptron(tl, (64, 32, 10), 256),
    **{f"recursion of 50, {n} points": lambda tl, n=n: recursion(tl, 50, n) for n in (1, 1000)},
    "likelihood of 500": lambda tl: garch(tl, 500),
    **{f"attention, {n} points": lambda tl, n=n: attention(tl, n) for n in (1, 10, 100, 1000)},
    "deep formula of 100,000": lambda tl: long_formula(tl, wide=False),
    "wide formula of 100,000": lambda tl: long_formula(tl, wide=True),
    "Runge-Kutta of 200": runge_kutta,
    **{f"Newton's method, {n} points": lambda tl, n=n: vectorized(tl, newton, n) for n in (10, 10**5)},
    "escape times, 100000 points": lambda tl: vectorized(tl, escape_time, 10**5),
    **{f"tax, {n} points": lambda tl, n=n: vectorized(tl, tax, n) for n in (1000, 10**6)},
}


def measured(name: str) -> dict[str, float]:
    import tinygrad_lite as tl

    return {what: least(call) for what, call in WORK[name](tl).items()}


def main(old: str, new: str, *names: str) -> None:
    for name in WORK if not names else [each for each in WORK if any(part in each for part in names)]:
        best: dict[str, dict[str, float]] = {old: {}, new: {}}
        for folder in [old, new] * ROUNDS:
            command = [sys.executable, __file__, "--one", name]
            done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": folder}, check=True)
            for what, seconds in json.loads(done.stdout).items():
                best[folder][what] = min(seconds, best[folder].get(what, math.inf))
        for what, seconds in best[new].items():
            before = best[old].get(what)
            ratio = f"{seconds / before:5.2f} of {before * 1e3:.4g} ms" if before else "   new"
            print(f"{name:28} {what:28} {seconds * 1e3:10.4g} ms  {ratio}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(measured(sys.argv[2])))
    else:
        main(*sys.argv[1:])
