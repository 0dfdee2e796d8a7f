"""Softmax and the losses made of it are one step each, as a textbook has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_explain import line

import tinygrad_lite as tl
from tinygrad_lite.ops import exp_difference
from tinygrad_lite.show.draw import draw
from tinygrad_lite.show.explain import explain
from tinygrad_lite.show.steps import Backward, Forward, steps
from tinygrad_lite.show.whole import visible

Make = Callable[[Sequence[Any]], Any]

WHOLE: dict[str, Make] = {
    "softmax": lambda zs: tl.softmax(zs)[0],
    "log_softmax": lambda zs: tl.log_softmax(zs)[-1],
    "cross_entropy": lambda zs: tl.cross_entropy(zs, 1),
    "cross_entropy of probabilities": lambda zs: tl.cross_entropy(zs, [0.25, 0.75] + [0.0] * (len(zs) - 2)),
    "binary_cross_entropy": lambda zs: tl.binary_cross_entropy(zs[0], 1) + 0 * zs[1],
    "binary_cross_entropy of a Value": lambda zs: tl.binary_cross_entropy(zs[0], zs[1].sigmoid()),
}
HIDDEN = {"stop_gradient", "maximum", "exp_difference", "logsumexp", "softplus"}


def leaves(numbers: Sequence[float]) -> list[tl.Value]:
    return [tl.Value(x, f"z{i}") for i, x in enumerate(numbers, 1)]


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_what_keeps_it_from_overflowing_is_not_shown(make: Make) -> None:
    root = make(leaves([1.0, -2.0, 0.5]))
    assert any(node.op is not None and node.op.name in HIDDEN for node in tl.topological_order(root))
    shown = [node.op.name for node in visible(root) if node.op is not None]
    assert not HIDDEN & {name for node, name in zip(visible(root), shown, strict=False) if not node.args}
    text = str(explain(root, closed=True)) + draw(root).source
    for machinery in ("stop_gradient", "max(", "softplus", "logsumexp", "difference", "e-1"):
        assert machinery not in text


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
@given(numbers=st.lists(st.floats(-30, 30), min_size=2, max_size=5))
def test_its_derivatives_are_those_of_the_sweep(make: Make, numbers: list[float]) -> None:
    zs = leaves(numbers)
    root = make(zs)
    root.backward()
    found = {step.name: step.adjoint for step in steps(root) if isinstance(step, Backward)}
    for z in zs:
        if z.label in found:
            assert math.isclose(found[z.label], z.grad, rel_tol=1e-9, abs_tol=1e-14)


def test_the_steps_of_a_softmax() -> None:
    zs = leaves([0.0, 0.0])
    p, _ = tl.softmax(zs)
    assert [(type(step), step.name) for step in steps(p.named("p"))] == [
        (Forward, "z1"), (Forward, "z2"), (Forward, "p"), (Backward, "p"), (Backward, "z2"), (Backward, "z1"),
    ]  # fmt: skip


def test_a_softmax_and_its_derivatives_are_written_as_a_textbook_has_them() -> None:
    p, q = tl.softmax(leaves([0.0, 0.0]))
    explanation = explain((p.named("p") * q.named("q")).named("y"))
    assert line(explanation, "p") == "p = exp(z1)/(exp(z1) + exp(z2)) = exp(0)/(exp(0) + exp(0)) = 0.5"
    assert line(explanation, "∂p/∂z1") == "∂p/∂z1 = p·(1 - p) = 0.5·(1 - 0.5) = 0.25"
    assert line(explanation, "∂p/∂z2") == "∂p/∂z2 = -p·q = -0.5·0.5 = -0.25"
    assert r"\frac{\mathrm{e}^{z_{1}}}{\mathrm{e}^{z_{1}} + \mathrm{e}^{z_{2}}}" in explanation.latex()


def test_a_mixture_is_written_with_its_weights_first_in_latex() -> None:
    loss = tl.cross_entropy(leaves([0.0, 0.0]), [tl.Value(0.25, "y_1"), 0.75]).named("L")
    total = r"{\mathrm{e}^{z_{1}} + \mathrm{e}^{z_{2}}}"
    logs = [rf"\mathrm{{log}}\left(\frac{{\mathrm{{e}}^{{z_{{{i}}}}}}}{total}\right)" for i in (1, 2)]
    assert rf"L &= -y_{{1}} \cdot {logs[0]} - 0.75 \cdot {logs[1]}" in explain(loss).latex()


def test_the_derivative_of_a_cross_entropy_is_p_minus_y() -> None:
    zs = leaves([0.0, 0.0])
    loss = tl.cross_entropy(zs, 0).named("L")
    explanation = explain(loss)
    assert line(explanation, "L") == "L = -log(exp(z1)/(exp(z1) + exp(z2))) = -log(exp(0)/(exp(0) + exp(0))) = 0.6931"
    share = "exp({})/(exp(z1) + exp(z2))"
    at_0 = "exp(0)/(exp(0) + exp(0))"
    assert line(explanation, "∂L/∂z1") == f"∂L/∂z1 = {share.format('z1')} - 1 = {at_0} - 1 = -0.5"
    assert line(explanation, "∂L/∂z2") == f"∂L/∂z2 = {share.format('z2')} = {at_0} = 0.5"


def test_a_class_without_probability_gets_its_share() -> None:
    explanation = explain(tl.cross_entropy(leaves([0.0] * 4), [0.5, 0.5, 0.0, 0.0]).named("L"))
    total = "exp(z1) + exp(z2) + exp(z3) + exp(z4)"
    assert line(explanation, "∂L/∂z1").startswith(f"∂L/∂z1 = exp(z1)/({total}) - 0.5 = ")
    assert line(explanation, "∂L/∂z3").startswith(f"∂L/∂z3 = exp(z3)/({total}) = ")


def test_a_softmax_of_the_graph_is_called_by_its_name() -> None:
    zs = leaves([0.0, 0.0])
    p = tl.softmax(zs)[0].named("p")
    total = (tl.cross_entropy(zs, 0).named("L") + p).named("t")
    assert line(explain(total), "∂L/∂z1") == "∂L/∂z1 = p - 1 = 0.5 - 1 = -0.5"


def test_a_binary_cross_entropy() -> None:
    z = tl.Value(0.0, "z")
    explanation = explain(tl.binary_cross_entropy(z, tl.Value(0.25, "y")).named("L"))
    value = "L = -y·log(σ(z)) - (1 - y)·log(1 - σ(z)) = -0.25·log(σ(0)) - (1 - 0.25)·log(1 - σ(0)) = 0.6931"
    assert line(explanation, "L") == value
    assert line(explanation, "∂L/∂z") == "∂L/∂z = σ(z) - y = σ(0) - 0.25 = 0.25"
    assert line(explanation, "∂L/∂y") == "∂L/∂y = -z = -0"


def test_many_powers_are_cut() -> None:
    p = tl.softmax(leaves([0.0] * 20))[4].named("p")
    assert line(explain(p), "p") == "p = exp(z5)/(exp(z1) + exp(z2) + … + exp(z20)) = exp(0)/(exp(0) + exp(0) + … + exp(0)) = 0.05"
    assert "p = exp(z5)/Σ exp(z)" in draw(p).source


def peak(*zs: Any) -> Any:
    return tl.stop_gradient(tl.maximum(*zs))


def shifted(x: tl.Value, y: tl.Value, first: Any, second: Any) -> tl.Value:
    powers = [exp_difference(x, first), exp_difference(y, second)]
    return powers[0] / tl.sum(powers)


@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: x.exp() / (x.exp() + y.exp()),
        lambda x, y: x / tl.sum([x, y]),
        lambda x, y: tl.logsumexp([x, y]) - x,
        lambda x, y: x - tl.logsumexp([x, y]),
        lambda x, y: x * y.softplus() + (1 - x) * y.softplus(),
        lambda x, y: x * y.softplus() + (2 - x) * (-y).softplus(),
        lambda x, y: 0.25 * (-x).softplus() + 0.5 * x.softplus(),
        lambda x, y: shifted(x, y, peak(x, y), peak(x, y)),
        lambda x, y: shifted(x, y, *[peak(x, y, 3.0)] * 2),
        lambda x, y: exp_difference(x, y) / tl.sum([exp_difference(x, y), exp_difference(y, x)]),
    ],
)
def test_what_only_looks_alike_is_shown_as_it_is(make: Callable[..., tl.Value]) -> None:
    root = make(tl.Value(1.0, "x"), tl.Value(2.0, "y"))
    assert visible(root) == tl.topological_order(root)


def test_what_is_hidden_is_shown_where_something_else_uses_it() -> None:
    zs = leaves([1.0, 2.0])
    p = tl.softmax(zs)[0]
    power = p.args[0].named("power")
    root = p + power
    assert power in visible(root)
    root.backward()
    found = {step.name: step.adjoint for step in steps(root) if isinstance(step, Backward)}
    assert math.isclose(found["z1"], zs[0].grad, rel_tol=1e-12)


def test_a_given_probability_has_minus_the_logarithm_of_its_share_as_slope() -> None:
    y = tl.Value(0.2, "y_1")
    loss = tl.cross_entropy(leaves([0.1, 0.5, -0.3]), [y, 0.8, 0.0]).named("L")
    loss.backward()
    assert y.grad == pytest.approx(math.log(sum(map(math.exp, (0.1, 0.5, -0.3)))) - 0.1, rel=1e-12)
    slope = "-log(exp({})/(exp({}) + exp({}) + exp({})))"
    formulas = slope.format("z1", "z1", "z2", "z3"), slope.format(0.1, 0.1, 0.5, -0.3)
    assert line(explain(loss, wrt=y), "∂L/∂y_1") == f"∂L/∂y_1 = {formulas[0]} = {formulas[1]} = 1.151"


def test_what_is_inside_of_a_loss_is_not_explained_alone() -> None:
    loss = tl.cross_entropy(leaves([0.0, 0.0]), 0).named("L")
    inside = next(node for node in tl.topological_order(loss) if node not in set(visible(loss)))
    with pytest.raises(ValueError, match=r"^explain: .* is inside of a softmax or a loss, .* choose what goes into it$"):
        explain(loss, wrt=inside)
