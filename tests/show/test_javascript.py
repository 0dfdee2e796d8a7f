"""The graph in JavaScript, without a browser: its functions are read as Python's."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_numbers import by_engine, cases, points, through_an_if, with_an_operation_of_the_users
from test_steps import worksheet

import tinygrad_lite as tl
from tinygrad_lite.op import Op
from tinygrad_lite.show.javascript import MOST_NODES, Graph, Variable, literal, terms, value
from tinygrad_lite.show.steps import forward
from tinygrad_lite.show.whole import visible

MATH = SimpleNamespace(
    abs=np.abs, sign=np.sign, floor=np.floor, max=np.maximum, min=np.minimum, exp=np.exp, expm1=np.expm1, log=np.log,
    log1p=np.log1p, log2=np.log2, log10=np.log10, sqrt=np.sqrt, cbrt=np.cbrt, hypot=np.hypot, sin=np.sin, cos=np.cos,
    tan=np.tan, asin=np.arcsin, acos=np.arccos, atan=np.arctan, atan2=np.arctan2, sinh=np.sinh, cosh=np.cosh,
    tanh=np.tanh, asinh=np.arcsinh, acosh=np.arccosh, atanh=np.arctanh, SQRT2=math.sqrt(2),
)  # fmt: skip
NAMES = {
    "Math": MATH, "power": np.power, "remainder": np.remainder, "quotient": np.floor_divide, "Infinity": np.inf, "NaN": np.nan, "null": None,
    "erf": lambda x: np.float64(math.erf(x)), "erfc": lambda x: np.float64(math.erfc(x)),
}  # fmt: skip


def as_python(function: str) -> Callable[..., Any]:
    """What a function of a page gives: both languages have the expressions that our own rules become."""
    found = re.fullmatch(r"\(([\w, ]*)\) => (?:\{ const (.*); return (.*); \}|(.*))", function)
    assert found, function
    lines = re.split(r", (?=x\d+ = )", found[2]) if found[2] else []
    choices = [re.sub(r"(?<= = )(\w+) === 0 \? (.+) : (.+)", r"\2 if \1 == 0 else \3", line) for line in lines]
    body = [line.replace("===", "==").replace("!==", "!=").replace("= +(", "= (") for line in choices]

    def run(*args: float) -> Any:
        scope = NAMES | dict(zip(found[1].split(", "), map(np.float64, args), strict=True))
        with np.errstate(all="ignore"):
            for line in body:
                name, _, formula = line.partition(" = ")
                scope[name] = np.float64(eval(formula, {}, scope))
            return eval(found[3] or found[4], {}, scope)

    return run


@pytest.mark.parametrize(("op", "count"), [*cases()])
def test_every_operation_says_what_the_engine_computes(op: Op, count: int) -> None:
    in_javascript, its_terms = as_python(value(op, count)), as_python(terms(op, [True] * count))
    for point in points(count):
        moderate = all(abs(x) < 30 and x == x and (x == 0 or abs(x) > 1e-9) for x in point)
        reason, right = by_engine(op, point)
        if moderate and not reason:
            found = [in_javascript(*point), *its_terms(1.0, right[0], *point)]
            for x, y in zip(found, right, strict=True):
                assert (x is None) == (y is None)
                assert x is None or float(x) == pytest.approx(y, rel=1e-9, abs=1e-300, nan_ok=True), point


def test_terms_are_those_of_any_t() -> None:
    assert as_python(terms(tl.OPS["mul"], [True, True]))(2.0, 15.0, 3.0, 5.0) == [10, 6]
    assert as_python(terms(tl.OPS["mul"], [False, True]))(2.0, 15.0, 3.0, 5.0) == [None, 6]
    assert as_python(terms(tl.OPS["where"], [True] * 3))(math.inf, 1.0, 0.0, 2.0, 1.0) == [None, 0, math.inf]


@pytest.mark.parametrize(("name", "count", "written"), [
    ("positive", 1, "(a) => a"),
    ("mul", 2, "(a0, a1) => { const x0 = a0 * a1; return x0; }"),
    ("sum", 3, "(a0, a1, a2) => { const x0 = a0 + a1, x1 = x0 + a2; return x1; }"),
])  # fmt: skip
def test_functions_as_they_are_written(name: str, count: int, written: str) -> None:
    op = tl.OPS.get(name) or tl.declare("same", lambda x: x, (1.0,), array=lambda x: x)
    assert value(op, count) == written


def test_what_is_known_is_not_computed_again() -> None:
    x = Variable("x", [])
    y = tl.OPS["exp"](x) + tl.OPS["exp"](x)
    assert y.lines == ["x0 = Math.exp(x)", "x1 = x0 + x0"]
    assert (1.0 * x).name == "x"
    assert (x * -1.0).lines[-1] == "x2 = -x"
    assert terms(tl.OPS["add"], [True, True]) == "(t, out, a0, a1) => [t, t]"


def test_a_value_that_is_a_number_is_one() -> None:
    op = tl.declare("seven", lambda x: 7.0, (0.0,), array=lambda x: 7.0)
    assert value(op, 1) == "(a) => 7"


@pytest.mark.parametrize(("data", "written"), [
    (2.0, "2"), (-0.0, "-0"), (0.1, "0.1"), (1e300, "1e+300"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN"),
    (3, "3"), (None, "null"), ("a\"<b", '"a\\"\\u003cb"'), ([1.0, (2.5, None)], "[1,[2.5,null]]"), ([], "[]"), (100.0, "100"),
])  # fmt: skip
def test_data_as_javascript(data: Any, written: str) -> None:
    assert literal(data) == written


# The graph


def graph_of(root: tl.Value, **kept: Any) -> dict[str, Any]:
    """The object that a page has, its functions as text."""
    order = visible(root)
    labelled = [i for i, node in enumerate(order) if node.label and not node.args]
    branched = {i: node.branched for i, node in enumerate(order) if node.branched}
    written = Graph(forward(order), labelled, branched).written()
    parts = re.fullmatch(r"\{nodes: (.*),\nrules: (.*),\nlabelled: (.*),\nfixed: new Map\((.*)\)\}", written, re.DOTALL)
    assert parts
    nodes, rules, labels, fixed = parts.groups()
    rows = [row.split(", ", 2) for row in rules[2:-2].split("],\n[") if row]
    return {"nodes": json.loads(nodes), "rules": rows, "labelled": json.loads(labels), "fixed": json.loads(fixed)}


def test_the_graph_of_the_worksheet() -> None:
    graph = graph_of(worksheet()[0])
    assert graph["nodes"] == [
        ["a", 2, -1, []], ["b", 1, -1, []], ["c", 3, 0, [0, 1]], ["1", 1, -1, []], ["d", 2, 1, [1, 3]], ["e", 6, 2, [2, 4]],
    ]  # fmt: skip
    assert [row[:2] for row in graph["rules"]] == [['"add"', '""']] * 2 + [['"mul"', '""']]
    assert graph["rules"][0][2] == "(a0, a1) => { const x0 = a0 + a1; return x0; }, (t, out, a0, a1) => [t, t], null"
    assert graph["rules"][1][2].endswith("(t, out, a0, a1) => [t, null], null")  # d = b + 1 hands nothing to the number
    assert (graph["labelled"], graph["fixed"]) == ([0, 1], [])


def test_nodes_of_one_kind_share_a_rule() -> None:
    x, y = tl.Value(0.5, "x"), tl.Value(2.0, "y")
    graph = graph_of((x.sin() * y.sin()).log() + y)
    assert [node[2] for node in graph["nodes"] if node[3]] == [0, 0, 1, 2, 3]
    assert [row[:2] for row in graph["rules"]] == [['"sin"', '"a finite x"'], ['"mul"', '""'], ['"log"', '"x > 0"'], ['"add"', '""']]


def test_operations_of_one_name_have_their_own_rules() -> None:
    x = tl.Value(0.5, "x")
    first = tl.declare("twofold", lambda x: 2 * x, (2.0,), array=lambda x: 2 * x)(x)
    del tl.OPS["twofold"]
    second = tl.declare("twofold", lambda x: x * x, (lambda out, x: 2 * x,), array=lambda x: x * x)(x)
    graph = graph_of(first + second)
    assert [node[2] for node in graph["nodes"]] == [-1, 0, 1, 2]


def test_what_the_program_branched_on_is_fixed_with_all_below_it() -> None:
    graph = graph_of(through_an_if())
    why = "the program took an `if` on x"
    assert graph["fixed"] == [[0, why]]
    x = tl.Value(2.0, "x")
    y = (x * tl.Value(3.0, "w")).named("y")
    assert y > 1
    graph = graph_of(y + tl.Value(1.0, "b"))
    assert graph["fixed"] == [[0, "the program took an `if` on y"], [1, "the program took an `if` on y"]]
    assert graph["nodes"][2] == ["y", 6, -1, [0, 1], [3, 2]]  # with its partials


def test_an_if_on_what_is_not_in_the_graph_fixes_what_it_depends_on() -> None:
    x, w = tl.Value(2.0, "x"), tl.Value(3.0, "w")
    y = x * w if x - 1 > 0 else w
    assert graph_of(y)["fixed"] == [[0, "the program took an `if` on what depends on x"]]


def test_the_nearest_reason_is_given() -> None:
    x = tl.Value(2.0, "x")
    inner = (x * 2).named("inner")
    outer = (inner * 3).named("outer")
    assert inner > 1
    assert outer > 1
    assert graph_of(outer)["fixed"] == [[0, "the program took an `if` on inner"]]


def test_an_operation_without_a_formula_keeps_its_numbers() -> None:
    graph = graph_of(with_an_operation_of_the_users())
    assert graph["fixed"] == [[0, "opaque has no formula in JavaScript"]]
    assert graph["nodes"] == [["x", 2, -1, []], ["v1", 3, -1, [0], [1]], ["y", 5, -1, []], ["z", 15, 0, [1, 2]]]


def test_an_operation_that_looks_at_its_numbers_has_no_formula() -> None:
    looks = tl.declare("looks", lambda x: x, (1.0,), array=lambda x: x if x > 0 else -x)
    x = tl.Value(2.0, "x")
    assert graph_of(looks(x) * 2)["fixed"] == [[0, "looks has no formula in JavaScript"]]


def test_where_no_derivative_flows_there_is_none() -> None:
    x = tl.Value(2.0, "x")
    graph = graph_of(tl.stop_gradient(x) * x)
    assert graph["rules"][0][2].endswith("=> [null], null")
    assert [row[0] for row in graph["rules"]] == ['"stop_gradient"', '"mul"']


@pytest.mark.parametrize(("nodes", "fixed"), [(MOST_NODES, 0), (MOST_NODES + 1, 1)])
def test_larger_graphs_are_fixed(nodes: int, fixed: int) -> None:
    x = tl.Value(0.5, "x")
    root = x
    for _ in range(nodes - 1):
        root = root.sin()
    graph = graph_of(root)
    assert len(graph["nodes"]) == nodes
    assert graph["fixed"] == [[0, "the graph has more than 60 nodes"]] * fixed
    assert len(graph["rules"]) == 1 - fixed


def test_partials_that_are_missing_are_null() -> None:
    opaque = tl.declare("opaque", lambda x, y: x + y, (1.0, None))
    x, y = tl.Value(2.0, "x"), tl.Value(5.0, "y")
    assert graph_of(opaque(x, y))["nodes"][2] == ["v1", 7, -1, [0, 1], [1, None]]


def test_names_end_no_script() -> None:
    order: Sequence[tl.Value] = visible(tl.Value(2.0, "</script>") * 3)
    assert "</script>" not in Graph(forward(order), [0], {}).written()
