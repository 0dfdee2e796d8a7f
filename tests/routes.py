"""Random graphs on every route to their derivatives: a tool of the tests, and one to run by hand.

    python tests/routes.py --seeds 20000 --first 0

A graph is a list of steps that is drawn with the numbers it meets: kinks, ties, poles, shared nodes,
repeated arguments, constants. `disagreements` evaluates it by `backward`, on all other routes, and, where
there is truth that does not come from the table, by that, and says what differs by more than rounding
explains: by how much the numbers move when each step trembles in its last bits, and by how large the
terms were that were summed.
"""

from __future__ import annotations

import argparse
import copy
import math
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value

Function = Callable[..., Any]
Row = list[float]
"""A value and the derivatives for each input."""

ORDINARY = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 0.25, 1.5)
EDGES = (0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 1e-310, -1e-310, 2.3e-308, 1e-160, 37.5, -37.5, 710.0)
EDGES += (-745.0, 1e160, -1e160, 1.7e308, -1.7e308, math.inf, -math.inf)
EXACT = ("add", "sub", "mul", "neg", "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "where")
EXACT += ("maximum", "minimum", "relu", "stop_gradient", "sign", "step", "floor", "floordiv", "mod", "abs", "sum", "dot")
"""What is computed without rounding where the result is a float: kinks are met exactly."""
UNDERFLOW = 1e-305
"""What is smaller may be lost on the way."""
FAMILIES: dict[str, Function] = {
    "softmax": lambda *xs: tl.softmax(xs)[0],
    "log_softmax": lambda *xs: tl.log_softmax(xs)[-1],
    "cross_entropy": lambda *xs: tl.cross_entropy(xs, 1),
    "clip": lambda x, y, z: tl.clip(x, tl.minimum(y, z), tl.maximum(y, z)),
    "mean": lambda *xs: tl.mean(xs),
    "prod": lambda *xs: tl.prod(xs),
    "binary_cross_entropy": lambda x, y: tl.binary_cross_entropy(x, tl.clip(y, 0.0, 1.0)),
}
ARITIES = {"clip": 3, "binary_cross_entropy": 2}


class Step(NamedTuple):
    """An operation at earlier nodes, or at numbers."""

    name: str
    args: tuple[int | float, ...]


class Graph(NamedTuple):
    """A function, and a point at which each step has a value."""

    point: tuple[float, ...]
    steps: tuple[Step, ...]

    def __call__(self, *xs: Any, tremble: random.Random | None = None, single: bool = False) -> Any:
        nodes = list(xs)
        for name, args in self.steps:
            operands = [nodes[arg] if isinstance(arg, int) else arg for arg in args]
            node = called(name, operands)
            if tremble is not None and isinstance(node, Value) and math.isfinite(node.data):
                exact = is_exact(name, [x.data if isinstance(x, Value) else x for x in operands], node.data)
                if not exact or (single and float(np.float32(node.data)) != node.data):
                    node._data *= 1 + tremble.choice([-3, -1, 2, 4]) * 2.0 ** (-23 if single else -52)
                if node.data == 0:  # its sign, which atan2 sees, is that of how it came about
                    node._data *= tremble.choice([1.0, -1.0])
            nodes.append(node)
        last = nodes[len(xs) :][-2:]
        return last[0] * 2 + last[1] if len(last) == 2 else last[0]


def called(name: str, operands: Sequence[Any]) -> Any:
    if name in FAMILIES:
        return FAMILIES[name](*operands)
    op = OPS[name]
    return op(*(operands[i :: op.lists] for i in range(op.lists))) if op.lists else op(*operands)


def is_exact(name: str, numbers: Sequence[float], out: float) -> bool:
    """Whether every route computes this very float, so that what compares with it sees it."""
    if name in ("add", "sub", "mul", "dot", "sum", "div", "mean", "prod"):
        exact = {
            "add": lambda *xs: sum(xs), "sum": lambda *xs: sum(xs), "mean": lambda *xs: sum(xs) / len(xs),
            "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "prod": lambda *xs: math.prod(xs),
            "div": lambda x, y: x / y, "dot": lambda *xs: sum(map(Fraction.__mul__, xs[::2], xs[1::2])),
        }  # fmt: skip
        return exact[name](*map(Fraction, numbers)) == Fraction(out) if np.isfinite(numbers).all() else True
    if name in ("sqrt", "hypot", "exp", "cos", "cosh", "log", "log2", "sin", "tan", "sinh", "tanh", "sigmoid", "pow"):
        return all(x in (0.0, 1.0, -1.0, 2.0) for x in numbers) and out in (0.0, 1.0, -1.0, 0.5, 2.0)
    return name in EXACT


def drawn(seed: int, size: int = 10, numbers: Sequence[float] = ORDINARY, names: Sequence[str] = ()) -> Graph:
    """A random graph that can be recorded at a point of such numbers."""
    rng = random.Random(seed)
    names = names or [*OPS, *FAMILIES]

    def pick() -> float:
        return rng.choice(numbers) if rng.random() < 0.7 else rng.uniform(-2, 2)

    point = tuple(pick() for _ in range(rng.randint(1, 4)))
    reached: list[float] = list(point)
    steps: list[Step] = []
    for _ in range(40 * size):
        name = rng.choice(names)
        arity = ARITIES.get(name) or (OPS[name].arity if name in OPS else None) or rng.choice([2, 2, 4, 6])
        recent = rng.random() < 0.6
        first = max(0, len(reached) - 4) if recent else 0
        args = [rng.randrange(first, len(reached)) if rng.random() < 0.85 else pick() for _ in range(arity)]
        try:
            out = float(called(name, [reached[arg] if isinstance(arg, int) else arg for arg in args]))
        except (ValueError, ArithmeticError):
            continue
        if out == out and any(isinstance(arg, int) for arg in args):
            steps.append(Step(name, tuple(args)))
            reached.append(out)
            if len(steps) == size:
                break
    return Graph(point, tuple(steps)) if steps else drawn(seed + 10**9, size, numbers, names)


def swept(root: Value, leaves: Sequence[Value]) -> Row:
    """What `backward` gives."""
    for leaf in leaves:
        leaf.grad = 0.0
    root.backward()
    return [root.data, *(x.grad for x in leaves)]


def terms(root: Value, leaves: Sequence[Value]) -> Row:
    """How large the terms were that were summed: what rounding is relative to."""
    size = dict.fromkeys((*tl.topological_order(root), *leaves), 0.0)
    size[root] = 1.0
    for node in reversed(tl.topological_order(root)):
        if size[node]:
            for arg, term in zip(node.args, node.terms(size[node]), strict=True):
                size[arg] += abs(term) if term is not None and term == term else 0.0
    return [abs(root.data), *(size[x] for x in leaves)]


class Reference(NamedTuple):
    """What `backward` gives at a point, and how far another route may be from it."""

    row: Row
    tolerance: Row
    in_range: bool = True
    """Whether no number and no derivative is infinite or subnormal: then products may be taken in any order."""


def reference(graph: Graph, point: Sequence[float], trembles: int = 6, *, single: bool = False) -> Reference:
    leaves = [Value(x) for x in point]
    root = graph(*leaves)
    row = swept(root, leaves)
    rounding, underflow = (1e-4, 1e-30) if single else (1e-12, UNDERFLOW)
    tolerance = [rounding * size + underflow for size in terms(root, leaves)]
    for seed in range(trembles):
        try:
            others = [Value(x) for x in point]
            trembled = swept(graph(*others, tremble=random.Random(seed), single=single), others)
        except (ValueError, ArithmeticError):
            trembled = [math.nan for _ in row]
        for i, (x, y) in enumerate(zip(row, trembled, strict=True)):
            apart = 0.0 if alike(x, y) else abs(x - y)
            tolerance[i] = max(tolerance[i], 1e3 * apart) if apart == apart else math.inf
    computed = [node for node in tl.topological_order(root) if node.args]
    sizes = [x for node in computed for x in (node.data, *node.partials()) if x is not None]
    in_range = all(x == 0 or 1e-300 < abs(x) < math.inf for x in sizes)
    single = len(graph.steps) == 1 and graph.steps[0].name in OPS
    return Reference(row, tolerance, in_range or single)


def alike(x: float, y: float) -> bool:
    return x == y or (x != x and y != y)


def differs(got: Sequence[float], expected: Sequence[float], tolerance: Sequence[float]) -> bool:
    return len(got) != len(expected) or any(
        not alike(float(x), y) and not abs(float(x) - y) <= bound and bound < math.inf
        for x, y, bound in zip(got, expected, tolerance, strict=True)
    )


# The routes


def by_grad(graph: Graph, point: Sequence[float]) -> Row:
    leaves = [Value(x) for x in point]
    root = graph(*leaves)
    return [root.data, *(x.data for x in tl.grad(root, leaves))]


def by_function(graph: Graph, point: Sequence[float]) -> Row:
    value, slopes = tl.value_and_grad(graph, argnums=range(len(point)))(*point)
    return [value, *slopes]


def by_copies(graph: Graph, point: Sequence[float]) -> Row:
    leaves = [Value(x) for x in point]
    root, *others = pickle.loads(pickle.dumps(copy.deepcopy([graph(*leaves), *leaves])))
    return swept(root, others)


def by_jvp(graph: Graph, point: Sequence[float]) -> Row:
    slopes = []
    for i in range(len(point)):
        value, slope = tl.jvp(graph, point, [float(i == j) for j in range(len(point))])
        slopes.append(slope)
    return [value, *slopes]


def by_taylor(graph: Graph, point: Sequence[float]) -> Row:
    slopes = []
    for i, x in enumerate(point):
        value, slope = tl.taylor(lambda t, i=i: graph(*(*point[:i], t, *point[i + 1 :])), x, 1)
        slopes.append(slope)
    return [value, *slopes]


def by_jacobian(graph: Graph, point: Sequence[float]) -> Row:
    """Several outputs: the walk forth."""
    leaves = [Value(x) for x in point]
    root = graph(*leaves)
    rows = tl.jacobian([root] * (len(leaves) + 1), leaves)
    return [root.data, *(x.data for x in rows[0])]


ONE_BY_ONE: dict[str, Callable[[Graph, Sequence[float]], Row]] = {
    "grad": by_grad, "value_and_grad": by_function, "copies": by_copies, "jvp": by_jvp, "taylor": by_taylor,
    "jacobian": by_jacobian,
}  # fmt: skip
FORTH = ("jvp", "taylor", "jacobian", "program.jvp")
"""Routes on which 0·inf may come about elsewhere: what is chosen comes after it, not before."""


def rows_of(values: Any, slopes: Sequence[Any]) -> list[Row]:
    shape = np.shape(values)
    return np.array([values, *(np.broadcast_to(slope, shape) for slope in slopes)]).reshape(1 + len(slopes), -1).T.tolist()


def programs(graph: Graph, points: Sequence[Sequence[float]]) -> Iterator[tuple[str, list[Row]]]:
    """The rows at all points by programs, called in their various ways."""
    leaves = [Value(x) for x in graph.point]
    root = graph(*leaves)
    program = tl.compile(root, leaves)
    columns = np.array(points, float).T
    yield "program", rows_of(*program.value_and_grad(*columns))
    strided = np.repeat(columns, 3, 1)[:, ::3]
    yield "program, strided", rows_of(*program.value_and_grad(*strided))
    yield "program, threads", rows_of(*pickle.loads(pickle.dumps(program)).value_and_grad(*columns, threads=2))
    moved = [program.jvp(columns, [float(i == j) for j in range(len(leaves))])[1] for i in range(len(leaves))]
    yield "program.jvp", rows_of(program(*columns), moved)
    listed = tl.compile([root, root * 1], [leaves])
    values, gradients = listed.value_and_grad(columns.T)
    yield "program of a list", rows_of(values[1], gradients[0][0].T)
    parameters = tl.compile(root, [], parameters=leaves)
    found = [parameters.loss_and_grad(point) for point in points]
    yield "loss_and_grad", [[float(loss), *slopes.tolist()] for loss, slopes in found]
    derivatives = tl.compile(tl.grad(root, leaves), leaves)
    yield "program of grad", rows_of(program(*columns), derivatives(*columns))
    if any(isinstance(arg, Value) for arg in [graph(*leaves)]):
        yield "vectorize", rows_of(*tl.vectorize(fixed(graph, len(leaves))).value_and_grad(*columns))


def fixed(graph: Graph, count: int) -> Function:
    """The function with that many arguments, as a signature says it."""
    return [
        lambda a: graph(a), lambda a, b: graph(a, b), lambda a, b, c: graph(a, b, c),
        lambda a, b, c, d: graph(a, b, c, d),
    ][count - 1]  # fmt: skip


def in_blocks(graph: Graph, points: Sequence[Sequence[float]]) -> Iterator[tuple[str, list[Row]]]:
    """Of many more points than a block holds, the first and the last rows."""
    leaves = [Value(x) for x in graph.point]
    program = tl.compile(graph(*leaves), leaves)
    columns = np.tile(np.array(points, float).T, (1, 3000))
    values, slopes = program.value_and_grad(*columns, threads=2)
    rows = rows_of(values, slopes)
    yield "program, blocks", rows[-len(points) :]
    yield "program, blocks", rows[: len(points)]


def in_float32(graph: Graph, points: Sequence[Sequence[float]]) -> Iterator[str]:
    leaves = [Value(x) for x in graph.point]
    program = tl.compile(graph(*leaves), leaves, dtype="float32")
    for point in points:
        rounded = [float(np.float32(x)) for x in point]
        try:
            expected = reference(graph, rounded, single=True)
        except (ValueError, ArithmeticError):
            continue
        numbers = [node.data for node in tl.topological_order(graph(*map(Value, rounded)))]
        if not all(x == 0 or 1e-20 < abs(x) < 1e20 for x in (*numbers, *expected.row)):
            continue
        value, slopes = program.value_and_grad(*rounded)
        yield from told("float32", rounded, [float(value), *map(float, slopes)], expected)


def broadcast(graph: Graph, points: Sequence[Sequence[float]]) -> Iterator[str]:
    """Inputs of other shapes than the points: their derivatives are sums over the grid."""
    leaves = [Value(x) for x in graph.point]
    program = tl.compile(graph(*leaves), leaves)
    shapes = [(4, 1), (3,), (), (2, 1, 1)]
    columns = np.array(points, float).T
    given = [np.resize(column, shape) for column, shape in zip(columns, shapes, strict=False)]
    values, slopes = program.value_and_grad(*given)
    whole, parts = program.value_and_grad(*np.broadcast_arrays(*given))
    for got, right, array in zip([values, *slopes], [whole, *parts], [whole, *given], strict=True):
        if not np.isfinite(right).all() or not (size := np.abs(right / 64).sum()) < 1e306:
            continue
        axes = tuple(range(right.ndim - array.ndim))
        summed = right.sum(axes)
        summed = summed.sum(tuple(i for i, n in enumerate(array.shape) if n < summed.shape[i]), keepdims=True)
        if not np.allclose(got, summed.reshape(array.shape), rtol=0, atol=1e-10 * size + UNDERFLOW):
            yield f"broadcast {given}: {got}, summed: {summed}"


def by_hessian(graph: Graph, point: Sequence[float]) -> list[Row]:
    leaves = [Value(x) for x in point]
    return [[x.data for x in row] for row in tl.hessian(graph(*leaves), leaves)]


def by_grad_of_grad(graph: Graph, point: Sequence[float]) -> list[Row]:
    leaves = [Value(x) for x in point]
    return [[x.data for x in tl.grad(each, leaves)] for each in tl.grad(graph(*leaves), leaves)]


def by_sweep_of_grad(graph: Graph, point: Sequence[float]) -> list[Row]:
    leaves = [Value(x) for x in point]
    return [swept(each, leaves)[1:] for each in tl.grad(graph(*leaves), leaves)]


def by_hvp(graph: Graph, point: Sequence[float]) -> list[Row]:
    leaves = [Value(x) for x in point]
    root = graph(*leaves)
    return [[x.data for x in tl.hvp(root, leaves, [float(x is y) for y in leaves])] for x in leaves]


def by_program_of_grad(graph: Graph, point: Sequence[float]) -> list[Row]:
    leaves = [Value(x) for x in point]
    program = tl.compile(tl.grad(graph(*leaves), leaves), leaves)
    return [[float(x) for x in row] for row in program.value_and_grad(*point)[1]]


def by_nested_jvp(graph: Graph, point: Sequence[float]) -> list[Row]:
    units = [[float(i == j) for j in range(len(point))] for i in range(len(point))]
    return [[tl.jvp(lambda *xs, u=u: tl.jvp(graph, xs, u)[1], point, v)[1] for v in units] for u in units]


SECOND: dict[str, Callable[[Graph, Sequence[float]], list[Row]]] = {
    "grad of grad": by_grad_of_grad, "sweep of grad": by_sweep_of_grad, "hvp": by_hvp,
    "program of grad, differentiated": by_program_of_grad, "jvp of jvp": by_nested_jvp,
}  # fmt: skip


def of_second_order(graph: Graph, point: Sequence[float]) -> Iterator[str]:
    """Each route that gives another Hessian, where that of the trembling graph hardly moves."""
    first = by_hessian(graph, point)
    scale = [max([abs(x) for row in first for x in row if math.isfinite(x)], default=0.0)]
    for seed in range(4):
        leaves = [Value(x) for x in point]
        try:
            root = graph(*leaves, tremble=random.Random(seed))
            scale.append(max([term for each in tl.grad(root, leaves) for term in terms(each, leaves)[1:]]))
            moved = [[x.data for x in row] for row in tl.hessian(root, leaves)]
        except (ValueError, ArithmeticError):
            return
        for row, other in zip(first, moved, strict=True):
            if differs(other, row, [1e-9 * max(scale) + UNDERFLOW] * len(row)):
                return
    for name, route in SECOND.items():
        for row, expected in zip(route(graph, point), first, strict=True):
            forth = name == "jvp of jvp"
            bounds = [math.inf if forth and (x != x or y != y) else 1e-7 * max(scale) + UNDERFLOW for x, y in zip(row, expected, strict=True)]
            if differs(row, expected, bounds):
                yield f"{name} at {point}: {row}, hessian: {expected}"


# Truth of its own


class Dual:
    """An exact number and its exact derivatives: kinks as CONVENTIONS would have them, by no rule of the table."""

    def __init__(self, x: Fraction, slopes: Sequence[Fraction]) -> None:
        self.x = x
        self.slopes = list(slopes)


def linear(x: Fraction, *parts: tuple[Fraction | int, Dual]) -> Dual:
    count = len(parts[0][1].slopes)
    return Dual(x, [sum((factor * dual.slopes[i] for factor, dual in parts), Fraction(0)) for i in range(count)])


def extremum(chosen: Callable[..., Fraction]) -> Function:
    def of(*duals: Dual) -> Dual:
        best = chosen(dual.x for dual in duals)
        count = sum(dual.x == best for dual in duals)
        return linear(best, *((Fraction(int(dual.x == best), count), dual) for dual in duals))

    return of


def flat(x: Callable[..., Any]) -> Function:
    return lambda *duals: linear(Fraction(x(*(dual.x for dual in duals))), *((0, dual) for dual in duals))


def signum(x: Any) -> int:
    return (x > 0) - (x < 0)


def by_pairs(*duals: Dual) -> Dual:
    """A dot product of what comes as w, x, w, x, …"""
    pairs = list(zip(duals[::2], duals[1::2], strict=True))
    return linear(sum(w.x * x.x for w, x in pairs), *(part for w, x in pairs for part in ((w.x, x), (x.x, w))))


DUALS: dict[str, Function] = {
    "add": lambda x, y: linear(x.x + y.x, (1, x), (1, y)),
    "sub": lambda x, y: linear(x.x - y.x, (1, x), (-1, y)),
    "mul": lambda x, y: linear(x.x * y.x, (y.x, x), (x.x, y)),
    "neg": lambda x: linear(-x.x, (-1, x)),
    "sum": lambda *xs: linear(sum(x.x for x in xs), *((1, x) for x in xs)),
    "dot": by_pairs,
    "where": lambda c, x, y: linear((x if c.x else y).x, (0, c), (int(c.x != 0), x), (int(c.x == 0), y)),
    "maximum": extremum(max), "minimum": extremum(min),
    "relu": lambda x: linear(max(x.x, Fraction(0)), (int(x.x > 0), x)),
    "abs": lambda x: linear(abs(x.x), (signum(x.x), x)),
    "sign": flat(signum), "step": flat(lambda x: x > 0), "floor": flat(math.floor),
    "stop_gradient": flat(lambda x: x),
    "less": flat(lambda x, y: x < y), "less_equal": flat(lambda x, y: x <= y), "greater": flat(lambda x, y: x > y),
    "greater_equal": flat(lambda x, y: x >= y), "equal": flat(lambda x, y: x == y), "not_equal": flat(lambda x, y: x != y),
}  # fmt: skip


def exact(graph: Graph) -> Row:
    """The value and the derivatives, each a fraction until the end."""
    size = len(graph.point)
    nodes = [Dual(Fraction(x), [Fraction(int(i == j)) for j in range(size)]) for i, x in enumerate(graph.point)]
    for name, args in graph.steps:
        operands = [nodes[arg] if isinstance(arg, int) else Dual(Fraction(arg), [Fraction(0)] * size) for arg in args]
        nodes.append(DUALS[name](*operands))
    last = nodes[size:][-2:]
    root = linear(2 * last[0].x + last[1].x, (2, last[0]), (1, last[1])) if len(last) == 2 else last[0]
    return [float(root.x), *map(float, root.slopes)]


def apart_from_differences(graph: Graph) -> Iterator[str]:
    """Derivatives of `backward` that differ from finite differences where these hardly depend on their step."""
    if any(step.name in ("stop_gradient", "mod", "floordiv") for step in graph.steps):
        return  # a derivative that is not meant to be that, or of teeth finer than a step
    rng = random.Random(len(graph.steps))
    point = tuple(x + rng.uniform(-0.1, 0.1) for x in graph.point)  # off the kinks
    try:
        right = reference(graph, point, 0).row
    except (ValueError, ArithmeticError):
        return
    for i, x in enumerate(point):
        if not math.isfinite(right[1 + i]):
            continue

        def central(h: float, i: int = i, x: float = x) -> float:
            up, down = ([*point[:i], x + d, *point[i + 1 :]] for d in (h, -h))
            return float((graph(*up) - graph(*down)) / (2 * h))

        try:
            found = [(4 * central(h / 2) - central(h)) / 3 for h in (1e-3, 7e-4, 1e-4)]
        except (ValueError, ArithmeticError):
            continue
        scale = max(map(abs, found))
        if max(found) - min(found) < 1e-6 * scale and not abs(right[1 + i] - found[0]) < 1e-5 * scale + 1e-9:
            yield f"differences for input {i} at {point}: {found}, backward: {right[1 + i]}"


# Everything at once


def points_of(graph: Graph, numbers: Sequence[float], count: int = 12) -> list[tuple[float, ...]]:
    """The point of the graph and others at which it can be recorded."""
    rng = random.Random(len(graph.steps))
    found = [graph.point]
    for _ in range(3 * count):
        point = tuple(rng.choice(numbers) if rng.random() < 0.7 else rng.uniform(-2, 2) for _ in graph.point)
        try:
            graph(*map(Value, point))
        except (ValueError, ArithmeticError):
            continue
        found.append(point)
    return found[:count]


def disagreements(graph: Graph, numbers: Sequence[float] = ORDINARY) -> Iterator[str]:
    """Each route that gives another number than `backward`, with what it gives."""
    points = points_of(graph, numbers)
    truth = [reference(graph, point) for point in points]
    for name, route in ONE_BY_ONE.items():
        for point, expected in zip(points, truth, strict=True):
            yield from told(name, point, route(graph, point), expected)
    for name, rows in (*programs(graph, points), *in_blocks(graph, points)):
        for point, row, expected in zip(points, rows, truth, strict=True):
            yield from told(name, point, row, expected)
    yield from broadcast(graph, points)
    if numbers is ORDINARY:
        yield from apart_from_differences(graph)
        yield from in_float32(graph, points)


def told(name: str, point: Sequence[float], row: Row, expected: Reference) -> Iterator[str]:
    right, tolerance, in_range = expected
    if name in FORTH and not in_range:
        return
    if name in FORTH:
        known = [x == x and y == y for x, y in zip(row, right, strict=True)]
        tolerance = [bound if both else math.inf for bound, both in zip(tolerance, known, strict=True)]
    if differs(row, right, tolerance):
        yield f"{name} at {point}: {[float(x) for x in row]}, backward: {right}, tolerance: {tolerance}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--size", type=int, default=10)
    parser.add_argument("--second", action="store_true", help="second derivatives too, of smaller graphs")
    parser.add_argument("--edges", action="store_true", help="subnormal, huge and infinite numbers too")
    options = parser.parse_args()
    wrong = 0
    numbers = EDGES if options.edges else ORDINARY
    for seed in range(options.first, options.first + options.seeds):
        graph = drawn(seed, 1 + seed % options.size, numbers)
        try:
            found = list(disagreements(graph, numbers))
            if options.second:
                found += of_second_order(graph, graph.point)
        except Exception as error:
            found = [f"{type(error).__name__}: {error}"]
        if found:
            wrong += 1
            print(f"seed {seed}: {graph}", *found, sep="\n  ", flush=True)
    print(f"{options.seeds} graphs, {wrong} with disagreements")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
