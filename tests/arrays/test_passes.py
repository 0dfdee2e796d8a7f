"""The passes from a recorded graph to its instructions, one by one: golden listings, random graphs through each."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from graphs import SMOOTH, random_function

import tinygrad_lite as tl
from tinygrad_lite import Program, Value
from tinygrad_lite.arrays import answers, place
from tinygrad_lite.arrays import plan as plans
from tinygrad_lite.arrays.derive import adjoints, tangents
from tinygrad_lite.arrays.roll import Rolled, levels, rolled
from tinygrad_lite.arrays.rows import VARYING, Rows
from tinygrad_lite.arrays.scalars import MATMUL, Scalars, with_products


def leaves(*numbers: float) -> list[Value]:
    return [Value(x) for x in numbers]


def written(outputs: Sequence[Value], inputs: set[Value]) -> Scalars:
    return Scalars(tl.topological_order(*outputs), inputs)


def rolled_up(outputs: Sequence[Value], groups: Sequence[Sequence[Value]]) -> Rolled:
    tails = [(len(group),) for group in groups]
    return rolled(tl.topological_order(*outputs), outputs, groups, tails)[0]


def plan(program: Program, kind: answers.Kind) -> str:
    return str(program._plans.of(kind).plan)


# Golden listings of six graphs


def bias() -> tuple[Program, answers.Kind]:
    """The bias is a weight of a row of ones, which stands after what the layer before computes."""
    xs, ws = leaves(0.1, 0.2), [leaves(0.3, 0.4) for _ in range(4)]
    hidden = [tl.tanh(tl.dot(w, xs) + Value(0.5)) for w in ws]
    return tl.compile(tl.dot(leaves(0.6, 0.7, 0.8, 0.9), hidden) + Value(1.0), [xs]), answers.values


def products() -> tuple[Program, answers.Kind]:
    """Sums of products are rows of one matrix product, however they were written; totals are a product too."""
    xs, ws = leaves(0.1, 0.2), [leaves(0.3, 0.4), leaves(0.5, 0.6)]
    rows = [ws[0][0] * xs[0] + ws[0][1] * xs[1], tl.dot(ws[1], xs)]
    return tl.compile(tl.relu(rows[0]) * tl.relu(rows[1]), [xs]), answers.totals


def reuse() -> tuple[Program, answers.Kind]:
    """Rows that are no longer needed are used again."""
    (x,) = leaves(0.5)
    y = tl.sin(x)
    for _ in range(3):
        y = tl.exp(tl.sin(y) * x)
    return tl.compile(y, [x]), answers.values


def uniform() -> tuple[Program, answers.Kind]:
    """What depends on no input is computed once a call."""
    x, a, b = leaves(0.5, 2.0, 3.0)
    return tl.compile(tl.exp(a * b) * x + tl.sin(a), [x]), answers.values


def sums() -> tuple[Program, answers.Kind]:
    """What depends on sums over the points is computed once, after all points."""
    x, a = leaves(0.5, 2.0)
    return tl.compile((tl.exp(a) * x) ** 2, [x]), answers.totals


def in_place() -> tuple[Program, answers.Kind]:
    """A result takes the memory of an argument, alike nodes are one, and a list is reduced at once."""
    xs = leaves(*[0.1 * i for i in range(9)])
    return tl.compile(tl.logsumexp([tl.sin(x) * 2 for x in xs]), [xs]), answers.values


GOLDEN = {
    "bias": [
        "r2 = 1",
        "r11 = 1",
        "at each point:",
        "  r3:7 = matmul(u0:12(4×3), r0:3)",
        "  r7:11 = tanh(r3:7)",
        "  r12 = matmul(u12:17(1×5), r7:12)",
    ],
    "products": [
        "at each point:",
        "  r2:4 = matmul(u0:4(2×2), r0:2)",
        "  r2:4 = maximum(r2:4, 0)",
        "  r4 = multiply(r2, r3)",
        "  u4 = total(r4)",
        "  r5 = copy(r3)",
        "  r6 = copy(r2)",
        "  r7:9 = where.greater(r2:4, 0, r5:7, r2:4)",
        "  u5:9(2×2) = outer(r7:9, r0:2)",
    ],
    "reuse": [
        "at each point:",
        "  r1 = sin(r0)",
        "  r1 = sin(r1)",
        "  r1 = multiply(r1, r0)",
        "  r1 = exp(r1)",
        "  r1 = sin(r1)",
        "  r1 = multiply(r1, r0)",
        "  r1 = exp(r1)",
        "  r1 = sin(r1)",
        "  r1 = multiply(r1, r0)",
        "  r2 = exp(r1)",
    ],
    "uniform": [
        "once:",
        "  u2 = multiply(u0, u1)",
        "  u3 = sin(u0)",
        "  u4 = exp(u2)",
        "at each point:",
        "  r1 = multiply(u4, r0)",
        "  r2 = add(r1, u3)",
    ],
    "sums": [
        "once:",
        "  u1 = exp(u0)",
        "at each point:",
        "  r1 = multiply(u1, r0)",
        "  r2 = square(r1)",
        "  u2 = total(r2)",
        "  r1 = multiply(2, r1)",
        "  r1 = multiply(r1, r0)",
        "  u4 = total(r1)",
        "from sums:",
        "  u3 = multiply(u4, u1)",
    ],
    "in_place": [
        "at each point:",
        "  r0:9 = sin(r0:9)",
        "  r0:9 = multiply(r0:9, 2)",
        "  r9 = maximum.reduce(r0:9)",
        "  r10 = absolute(r9)",
        "  r11 = where.less(r10, inf, r9, 0)",
        "  r12:21 = equal(r0:9, r9)",
        "  r0:9 = subtract(r0:9, r11)",
        "  r0:9 = exp(r0:9)",
        "  r0:9 = subtract(r0:9, r12:21)",
        "  r9 = add.reduce(r0:9)",
        "  r10 = add.reduce(r12:21)",
        "  r10 = subtract(r10, 1)",
        "  r10 = add(r9, r10)",
        "  r10 = log1p(r10)",
        "  r21 = add(r11, r10)",
    ],
}


@pytest.mark.parametrize("make", [bias, products, reuse, uniform, sums, in_place], ids=lambda make: make.__name__)
def test_the_listing_of_a_plan(make: Callable[[], tuple[Program, answers.Kind]]) -> None:
    assert plan(*make()).split("\n") == GOLDEN[make.__name__]


def test_a_rolled_graph_prints_a_node_a_line() -> None:
    xs = leaves(*map(float, range(8)))
    graph = rolled_up([tl.sum([tl.exp(x * 2) for x in xs])], [xs]).graph
    assert str(graph).split("\n") == [
        "0  input[0]()  8×1  at each point",
        "2  multiply(0, 2)  8×1  at each point",
        "3  exp(2)  8×1  at each point",
        "4  view[0](3)  1×8  at each point",
        "5  add.reduce(4)  1×1  at each point",
    ]


def test_scalars_print_and_are_there_once() -> None:
    a, b = leaves(1.0, 2.0)
    scalars = written([tl.sin(a * b) + tl.sin(a * b)], {a, b})
    assert str(scalars).split("\n") == [
        "2 = <operation mul>(0, 1)",
        "3 = <operation sin>(2,)",
        "4 = <operation add>(3, 3)",
    ]


def test_levels_are_by_depth_and_likeness() -> None:
    xs = leaves(1.0, 2.0, 3.0)
    scalars = written([tl.sin(xs[0]) * tl.sin(xs[1]) + xs[2] ** 2 + xs[1] ** 3], set(xs))
    found = [[len(members) for members in level.values()] for level in levels(scalars)]
    assert found == [[2, 1, 1], [1], [1], [1]]  # x**2 and x**3 are not alike


def test_sums_of_products_that_share_their_list_are_one_product() -> None:
    xs, ws = leaves(1.0, 2.0, 3.0), [leaves(1.0, 2.0, 3.0) for _ in range(4)]
    sums = [tl.dot(w, xs) + b for w, b in zip(ws, leaves(1.0, 2.0, 3.0, 4.0), strict=True)]
    scalars = written(sums, set(xs))
    with_products(scalars, [scalars.numbers[each] for each in sums])
    ((rows,),) = [level.values() for level in levels(scalars)]
    assert len(rows) == 4
    for row in rows:
        assert scalars.ops[row] == MATMUL
        assert [scalars.data[i] for i in scalars.args[row][4:]] == [1.0, 2.0, 3.0, 1.0]


# Random graphs through every pass


def graph(seed: int) -> tuple[Value, list[Value], list[float]]:
    names = sorted(tl.OPS) if seed % 2 else SMOOTH
    f, point = random_function(seed, 5 + seed % 40, 2 + seed % 3, names)
    xs = leaves(*point)
    out = f(*xs)
    return out if isinstance(out, Value) else xs[0] * 0 + out, xs, point


def evaluated(nodes: Sequence[Rows], arrays: Sequence[Any]) -> dict[Rows, Any]:
    """What Rows are, computed one after the other without any memory of the plan's."""
    from tinygrad_lite.arrays.kernels import kernel

    found: dict[Rows, Any] = {}
    for node in nodes:
        args = [found[arg] for arg in node.args]
        shape = (node.k, node.n, len(arrays[0]))
        if node.number is not None:
            found[node] = np.full((1, 1, 1), node.number)
        elif node.function == "constants":
            found[node] = np.array([float.fromhex(x) for x in node.detail])[:, None, None]
        elif node.function == "input":
            found[node] = arrays[node.detail].reshape(shape)
        elif node.function == "view":
            flat = args[0].reshape(-1, args[0].shape[-1])
            found[node] = flat[node.detail : node.detail + node.size].reshape(node.k, node.n, -1)
        elif node.function == "pick":
            rows = [found[source].reshape(-1, found[source].shape[-1])[i] for source, i in node.places]
            found[node] = np.stack([np.broadcast_to(row, shape[-1:]) for row in rows]).reshape(shape)
        else:
            out = np.empty(shape if node.phase == VARYING else (*shape[:2], 1))
            if str(node.function).endswith(".reduce"):
                (x,) = args
                wide = np.broadcast_to(x, (*x.shape[:2], out.shape[-1])).reshape(node.size, -1, out.shape[-1])
                kernel(node.function)(wide, out[:, 0])
            elif node.function == "inner":
                kernel(node.function)(*args, out[:, 0])
            else:
                kernel(node.function)(*args, out)
            found[node] = out
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_rolled_graph_and_its_derivatives_are_those_of_the_engine(seed: int) -> None:
    out, xs, point = graph(seed)
    out.backward()
    graph_, (root,), inputs, _, _ = rolled_up([out], [[x] for x in xs])
    arrays = [np.array([x, x]) for x in point]
    with np.errstate(all="ignore"):
        value = evaluated(graph_.reached([root[0]]), arrays)[root[0]]
        np.testing.assert_allclose(value.reshape(-1, value.shape[-1])[root[1]], out.data, rtol=1e-12)
        found = adjoints(graph_, root, graph_.constant(1.0), inputs)
        for x, node in zip(xs, found, strict=True):
            slope = 0.0 if node is None else evaluated(graph_.reached([node]), arrays)[node].ravel()[0]
            np.testing.assert_allclose(slope, x.grad, rtol=1e-9, atol=1e-12)
        (moved,) = tangents(graph_, [root], {node: graph_.constant(float(i)) for i, node in enumerate(inputs)})
        slope = evaluated(graph_.reached([moved]), arrays)[moved].ravel()[0]
        np.testing.assert_allclose(slope, sum(i * x.grad for i, x in enumerate(xs)), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_no_node_is_overwritten_before_its_last_use(seed: int) -> None:
    out, xs, _ = graph(seed)
    made = rolled_up([out], [[x] for x in xs])
    wanted = [rows for rows, _ in answers.gradients(made).results]
    order = made.graph.reached(wanted)
    home = place.homes(order)
    last = place.last_uses(order, home, wanted)
    start = place.allocated(order, home, last, set(), place.piled(order, home)).start
    holder: dict[int, Rows] = {}
    for now, node in enumerate(order):
        kept, _ = home[node]
        for arg in node.args:
            if arg.phase == VARYING:
                assert holder[start[home[arg][0]]] is home[arg][0]
        if node.phase == VARYING and kept in start:
            before = holder.get(start[kept])
            assert before in (None,) or before is kept or last[before] <= now
            holder[start[kept]] = kept


@pytest.mark.parametrize("seed", range(20))
def test_blocks_of_any_width_give_the_same(seed: int) -> None:
    out, xs, point = graph(seed)
    program = tl.compile(out, xs)
    arrays = [np.linspace(x, x * 1.01, 50) for x in point]
    expected = program.value_and_grad(*arrays)
    made = program._plans.of(answers.gradients)
    program._plans.known[answers.gradients] = made._replace(plan=made.plan._replace(width=random.Random(seed).choice([1, 7, 49])))
    values, gradients = program.value_and_grad(*arrays)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(gradients, expected[1])


def test_there_are_few_kinds_of_places_in_memory() -> None:
    assert len(plans.Slot.__args__) <= 10
