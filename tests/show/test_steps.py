"""Both passes as data: what `steps` gives agrees with `Value.backward` to the last bit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite.show.steps import Backward, Forward, steps

UNARY = [tl.exp, tl.tanh, tl.sigmoid, tl.relu, tl.sin, tl.abs, tl.softplus, tl.atan, lambda x: -x, lambda x: x**3]
BINARY = [tl.add, tl.sub, tl.mul, tl.div, tl.maximum, tl.minimum, lambda x, y: tl.where(x > y, x, y)]


@st.composite
def graphs(draw: st.DrawFn) -> tl.Value:
    """A root over a few leaves; nodes are used again and again, so that there are many paths."""
    numbers = st.floats(-3, 3).filter(lambda x: abs(x) > 1e-3)
    nodes = [tl.Value(draw(numbers), f"x{i}") for i in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(1, 14))):
        x, y = draw(st.sampled_from(nodes)), draw(st.sampled_from([*nodes, draw(numbers)]))
        try:
            node = draw(st.sampled_from(UNARY))(x) if draw(st.booleans()) else draw(st.sampled_from(BINARY))(x, y)
        except (ArithmeticError, ValueError):
            continue
        nodes.append(node)
    return nodes[-1]


def worksheet() -> tuple[tl.Value, tl.Value, tl.Value]:
    a, b = tl.Value(2.0, "a"), tl.Value(1.0, "b")
    return ((a + b).named("c") * (b + 1).named("d")).named("e"), a, b


def backward(root: tl.Value) -> list[Backward]:
    return [step for step in steps(root) if isinstance(step, Backward)]


def test_forward_in_topological_order_then_backward_in_reverse() -> None:
    root, *_ = worksheet()
    phases = [(type(step), step.name) for step in steps(root)]
    names = ["a", "b", "c", "d", "e"]
    assert phases == [*((Forward, name) for name in names), *((Backward, name) for name in reversed(names))]


def test_a_step_has_the_place_of_its_node_in_the_topological_order() -> None:
    root, *_ = worksheet()
    order = tl.topological_order(root)
    assert [order[step.index].label for step in steps(root)] == [step.name for step in steps(root)]


def test_a_forward_step_has_what_the_operation_saw() -> None:
    root, a, _ = worksheet()
    a.data = 100.0
    step = steps(root)[2]
    assert isinstance(step, Forward)
    assert (step.value, [arg.number for arg in step.args]) == (3.0, [2.0, 1.0])


def test_constants_are_arguments_but_have_no_steps() -> None:
    root, *_ = worksheet()
    step = steps(root)[3]
    assert isinstance(step, Forward)
    assert [(arg.name, arg.constant, arg.partial) for arg in step.args] == [("b", False, 1.0), ("1", True, None)]
    assert "1" not in {step.name for step in steps(root)}


def test_a_backward_step_lists_the_users_in_order() -> None:
    root, *_ = worksheet()
    step = backward(root)[3]
    assert [(term.name, term.adjoint, term.partial, term.product) for term in step.terms] == [("c", 2, 1, 2), ("d", 3, 1, 3)]
    assert step.adjoint == 5


def test_two_edges_to_one_user_are_one_term() -> None:
    x = tl.Value(3.0, "x")
    (term,) = backward(x * x)[1].terms
    assert (term.partials, term.partial, term.product) == ((3.0, 3.0), 6.0, 6.0)


def test_no_grad_is_touched() -> None:
    root, a, b = worksheet()
    b.grad = 7.0
    steps(root)
    assert (a.grad, b.grad, root.grad) == (0.0, 7.0, 0.0)


def test_a_leaf_is_its_own_root() -> None:
    assert [step.name for step in steps(tl.Value(1.0, "x"))] == ["x", "x"]


def test_a_constant_may_be_the_root() -> None:
    assert len(steps((tl.Value(1.0) + 1).args[1])) == 2


def test_where_no_derivative_flows_the_adjoint_is_zero() -> None:
    x = tl.Value(1.0, "x")
    step = backward(tl.stop_gradient(x) * tl.Value(2.0))[-1]
    assert (step.adjoint, step.terms) == (0.0, ())


def test_a_chain_of_thousands_of_nodes() -> None:
    x = root = tl.Value(1.0, "x")
    for _ in range(20_000):
        root = root + 1
    assert backward(root)[-1].adjoint == 1.0
    assert x.grad == 0.0


def test_the_root_must_be_a_value() -> None:
    with pytest.raises(TypeError, match=r"^steps: expected a Value, got int$"):
        steps(3)  # type: ignore[arg-type]


def test_steps_of_the_same_graph_are_equal() -> None:
    assert steps(worksheet()[0]) == steps(worksheet()[0])


@given(graphs())
def test_the_adjoints_are_the_grads_to_the_last_bit(root: tl.Value) -> None:
    found = backward(root)
    order = tl.topological_order(root)
    root.backward()
    for step in found:
        grad = order[step.index].grad
        assert step.adjoint == grad or (math.isnan(step.adjoint) and math.isnan(grad))


@given(graphs())
def test_the_terms_sum_to_the_adjoint(root: tl.Value) -> None:
    for step in backward(root)[1:]:
        total, size = sum(term.product for term in step.terms), sum(abs(term.product) for term in step.terms)
        assert not math.isfinite(size) or math.isclose(total, step.adjoint, abs_tol=1e-12 * size)
