"""Graphs for the tests: random ones over the whole table, hard points, a perceptron."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value

KINKED = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "where"}
KINKED |= {"relu", "abs", "sign", "step", "maximum", "minimum", "stop_gradient"}
SMOOTH = sorted(set(OPS) - KINKED)

Function = Callable[..., Any]


def call(name: str, xs: Sequence[Any]) -> Any:
    op = OPS[name]
    return op(*(xs[i :: op.lists] for i in range(op.lists))) if op.lists else op(*xs)


def random_function(seed: int, size: int, inputs: int, names: Sequence[str]) -> tuple[Function, list[float]]:
    """A function of that many operations that are defined at the point returned with it."""
    rng = random.Random(seed)
    point = [rng.uniform(0.2, 2.0) * rng.choice([1, 1, -1]) for _ in range(inputs)]
    numbers: list[float] = list(point)
    program: list[tuple[str, list[int]]] = []
    while len(program) < size:
        name = rng.choice(names)
        arity = OPS[name].arity or rng.choice([2, 4])
        recent = rng.random() < 0.7
        args = [rng.randrange(max(0, len(numbers) - 8) if recent else 0, len(numbers)) for _ in range(arity)]
        try:
            around = [call(name, [numbers[i] + h for i in args]) for h in (-0.02, 0.0, 0.02)]
        except (ValueError, ArithmeticError):
            continue
        if all(math.isfinite(y) and 1e-3 < abs(y) < 1e3 for y in around) or name in ("step", "sign", "equal"):
            program.append((name, args))
            numbers.append(around[1])

    def f(*xs: Any) -> Any:
        nodes = list(xs)
        for name, args in program:
            nodes.append(call(name, [nodes[i] for i in args]))
        used = nodes[-3:]
        return used[0] * 0.7 + used[1] * used[2] if len(used) == 3 else nodes[-1]

    return f, point


def functions(max_size: int, names: Sequence[str]) -> st.SearchStrategy[tuple[Function, list[float]]]:
    return st.builds(
        random_function,
        st.integers(0, 10**6),
        st.integers(3, max_size),
        st.integers(1, 4),
        st.just(list(names)),
    )


def swept(f: Function, point: Sequence[float]) -> tuple[Value, list[Value]]:
    """The root of f at the point and its leaves after `backward`."""
    xs = [Value(x) for x in point]
    root = f(*xs)
    root.backward()
    return root, xs


def each(f: Function, *arrays: Any) -> Any:
    """The values of f at the points of arrays, one by one."""
    return np.array([f(*map(float, point)) for point in zip(*arrays, strict=True)])


def eager(f: Any, points: Any) -> tuple[Any, Any]:
    """The values and the derivatives of f at points, one by one."""
    values, gradients = [], []
    for point in points:
        inputs = [Value(float(x)) for x in point]
        out = f(*inputs)
        if isinstance(out, Value):
            out.backward()
        values.append(getattr(out, "data", out))
        gradients.append([x.grad for x in inputs])
    return np.array(values), list(np.array(gradients).T)


# Functions at hard points: kinks, poles, ties, subnormal numbers

HARD = [0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0, 5e-324, 1e-310, -1e-310, 1e-200, 1e3]
EVERY = [name for name in OPS if OPS[name].lists < 2]


def hard_function(seed: int, size: int, inputs: int) -> tuple[Function, list[float]]:
    """A function of that many operations, any of the table, with constants, and where it is hard."""
    rng = random.Random(seed)
    point = [rng.choice(HARD) for _ in range(inputs)]
    numbers: list[float] = list(point)
    program: list[tuple[str, list[int | float]]] = []
    while len(program) < size:
        name = rng.choice(EVERY)
        arity = OPS[name].arity or rng.choice([1, 2, 3])
        args: list[int | float] = [rng.randrange(max(0, len(numbers) - 6), len(numbers)) for _ in range(arity)]
        if arity > 1 and rng.random() < 0.3:
            args[rng.randrange(arity)] = rng.choice(HARD)
        try:
            out = call(name, [numbers[arg] if isinstance(arg, int) else arg for arg in args])
        except (ValueError, ArithmeticError):
            continue
        if abs(out) < 1e6:
            program.append((name, args))
            numbers.append(out)

    def f(*xs: Any) -> Any:
        nodes = list(xs)
        for name, args in program:
            nodes.append(call(name, [nodes[arg] if isinstance(arg, int) else arg for arg in args]))
        return nodes[-1] + 0.0 * xs[0]

    return f, point


def hard_functions(size: int) -> st.SearchStrategy[tuple[Function, list[float]]]:
    return st.builds(hard_function, st.integers(0, 10**6), st.integers(1, size), st.integers(1, 3))


# A perceptron, and a small program

STYLES = ["dot", "from the bias", "inputs first", "tl.sum"]


def network(sizes: Sequence[int], style: str, seed: int = 0) -> tuple[list[Value], Value, list[Value], Value]:
    """A perceptron with tanh and a hinge loss, its sums written in one of the ways people write them."""
    chance = random.Random(seed)
    xs, y, parameters = [Value(0.1 * i) for i in range(sizes[0])], Value(1.0), []
    layer = xs
    for depth, (width, height) in enumerate(itertools.pairwise(sizes)):
        after = []
        for _ in range(height):
            weights = [Value(chance.uniform(-1, 1)) for _ in range(width)]
            bias = Value(chance.uniform(-1, 1))
            parameters += [*weights, bias]
            if style == "dot":
                z = tl.dot(weights, layer) + bias
            elif style == "from the bias":
                z = sum((w * x for w, x in zip(weights, layer, strict=True)), bias)
            elif style == "inputs first":
                z = sum(x * w for w, x in zip(weights, layer, strict=True)) + bias
            else:
                z = tl.sum([w * x for w, x in zip(weights, layer, strict=True)]) + bias
            after.append(z if depth == len(sizes) - 2 else tl.tanh(z))
        layer = after
    return xs, y, parameters, tl.relu(1 - y * layer[0])


def product() -> tl.Program:
    """a·b + sin a, compiled."""
    a, b = Value(1.0), Value(2.0)
    return tl.compile(a * b + tl.sin(a), [a, b])
