"""Neurons, layers, networks, and tables that are looked up."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value, compile, topological_order
from tinygrad_lite.nn import MLP, Embedding, Layer, Neuron, one_hot


def numbers(parameters: list[Value]) -> list[float]:
    return [parameter.data for parameter in parameters]

@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "softplus", None])
def test_a_network_is_matrix_products_with_activations_between(activation: str | None) -> None:
    net = MLP(3, [4, 5, 2], activation, seed=3)
    x = np.array([0.3, -1.0, 2.0])
    out = x
    for layer in net.layers:
        out = np.array([numbers(neuron.w) for neuron in layer.neurons]) @ out + [n.b.data for n in layer.neurons]
        if layer is not net.layers[-1] and activation:
            out = tl.OPS[activation](out)
    assert [y.data for y in net(x)] == pytest.approx(out, rel=1e-13)


def test_one_output_is_a_value_and_several_are_a_list() -> None:
    assert isinstance(MLP(2, [3, 1])([1.0, 2.0]), Value)
    assert [type(y) for y in MLP(2, [3, 2])([1.0, 2.0])] == [Value, Value]


def test_the_parameters_come_neuron_by_neuron() -> None:
    net = MLP(2, [2, 1])
    labels = ["n1,1.w1", "n1,1.w2", "n1,1.b", "n1,2.w1", "n1,2.w2", "n1,2.b", "n2,1.w1", "n2,1.w2", "n2,1.b"]
    assert [parameter.label for parameter in net.parameters()] == labels
    assert net.layers[1].neurons[0].w[1] is net.parameters()[7]
    assert len(MLP(2, [16, 16, 1]).parameters()) == 337


def test_the_same_seed_gives_the_same_network() -> None:
    first, again, other = (numbers(MLP(3, [4, 1], seed=seed).parameters()) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    rng = np.random.default_rng(5)
    assert numbers(MLP(3, [4, 1], seed=rng).parameters()) == first


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 100), ("tanh", 2 / 150), (None, 2 / 150)])
def test_initial_weights_follow_he_before_relu_else_glorot(activation: str | None, variance: float) -> None:
    layer = Layer(100, 50, activation, seed=0)
    weights = [w.data for neuron in layer.neurons for w in neuron.w]
    assert np.var(weights) == pytest.approx(variance, rel=0.05)
    assert all(neuron.b.data == 0.0 for neuron in layer.neurons)


def test_a_neuron_is_few_nodes_and_a_layer_shares_the_constants() -> None:
    x = [Value(1.0) for _ in range(50)]
    assert len(topological_order(Neuron(50)(x))) == 50 + 51 + 3
    hidden = Layer(50, 10)([1.0] * 50)
    assert len(topological_order(*hidden)) == 50 + 10 * (51 + 3)


def test_a_picture_has_one_box_for_a_neuron() -> None:
    net = MLP(2, [16, 16, 1])
    assert tl.draw(net([Value(1.0, "x1"), Value(2.0, "x2")]), group=".").boxes == 2 + 16 + 16 + 1


def test_an_explanation_speaks_of_w_b_and_h() -> None:
    net = MLP(2, [2, 1], "tanh")
    text = str(tl.explain(net([0.5, -1.0]), wrt=net.layers[0].neurons[1].w[0]))
    assert "∂n2,1.h/∂n1,2.w1 = " in text


def test_copies_and_pickles_of_a_network_are_networks_of_their_own() -> None:
    net = MLP(2, [3, 1])
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other([1.0, 2.0]).data == net([1.0, 2.0]).data
        other.parameters()[0].data += 1
        assert numbers(other.parameters())[1:] == numbers(net.parameters())[1:]
        assert other.parameters()[0].data != net.parameters()[0].data


def test_without_a_seed_each_network_is_another() -> None:
    neurons = [Neuron(2) for _ in range(4)]
    assert len({tuple(numbers(neuron.w)) for neuron in neurons}) == 4
    assert numbers(Layer(2, 2).parameters()) != numbers(Layer(2, 2).parameters())
    assert numbers(MLP(2, [1]).parameters()) != numbers(MLP(2, [1]).parameters())
    assert numbers(Embedding(2, 2).parameters()) != numbers(Embedding(2, 2).parameters())


def test_an_activation_may_be_a_function() -> None:
    xs = [0.3, -1.0]
    swish = Neuron(2, lambda z: z * tl.sigmoid(z), seed=0)
    z = tl.dot(swish.w, xs) + swish.b
    assert swish(xs).data == pytest.approx((z * tl.sigmoid(z)).data, rel=1e-15)
    assert Neuron(2, tl.tanh, seed=0)(xs).data == Neuron(2, "tanh", seed=0)(xs).data


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_network_runs_on_every_operand(activation: str) -> None:
    net = MLP(2, [4, 1], activation, seed=0)
    x = [Value(0.4), Value(0.9)]
    y = net(x)
    slope = tl.grad(y, x)
    curvature = tl.hessian(y, x)[0][0].data
    value, change = tl.jvp(lambda a, b: net([a, b]), [0.4, 0.9], [1.0, 10.0])
    assert number_of(value) == pytest.approx(y.data, rel=1e-14)
    assert number_of(change) == pytest.approx(slope[0].data + 10 * slope[1].data, rel=1e-14)
    series = tl.taylor(lambda a: net([a, 0.9]), 0.4, 2)
    expected = [y.data, slope[0].data, curvature / 2]
    assert [number_of(each) for each in series] == pytest.approx(expected, rel=1e-13, abs=1e-15)
    points = [0.4, -0.7, 2.0]
    each = [net([point, 0.9]).data for point in points]
    assert tl.vectorize(lambda a: net([a, 0.9]))(points) == pytest.approx(each, rel=1e-14)


def number_of(x: Any) -> float:
    return x.data if isinstance(x, Value) else float(x)


def test_a_layer_and_a_neuron_run_on_series() -> None:
    layer, x = Layer(2, 2, "tanh", seed=0), [Value(0.4), Value(0.9)]
    outs = layer(x)
    slopes = tl.jacobian(outs, x)
    values, changes = tl.jvp(lambda a, b: layer([a, b]), [0.4, 0.9], [1.0, 10.0])
    assert [number_of(each) for each in values] == pytest.approx([out.data for out in outs])
    expected = [row[0].data + 10 * row[1].data for row in slopes]
    assert [number_of(each) for each in changes] == pytest.approx(expected)


def test_an_embedding_gives_the_parameters_of_an_index() -> None:
    letters = Embedding(4, 3, seed=1, label="letter")
    assert [x.label for x in letters(2)] == ["letter2.w1", "letter2.w2", "letter2.w3"]
    assert letters(np.int64(2)) == letters.rows[2]
    assert letters.parameters() == [x for row in letters.rows for x in row]
    letters(2).clear()
    assert len(letters.rows[2]) == 3
    assert numbers(letters.parameters()) == numbers(Embedding(4, 3, seed=1).parameters())
    draws = np.random.default_rng(0).standard_normal(12)
    assert numbers(Embedding(4, 3, seed=0).parameters()) == pytest.approx(draws.tolist(), rel=1e-15)


def test_a_program_looks_an_index_up() -> None:
    letters, index = Embedding(5, 3, seed=0), Value(2.0, "index")
    assert numbers(letters(index)) == numbers(letters(2))
    program = compile(letters(index), [index])
    rows = np.array([numbers(row) for row in letters.rows])
    asked = [4, 0, 2, 2]
    assert np.array_equal(np.stack(program(asked), axis=-1), rows[asked])


def test_the_gradient_of_a_lookup_goes_to_the_row_that_was_looked_up() -> None:
    letters, index = Embedding(4, 2, seed=0), Value(0.0)
    asked = [3, 1, 3]
    compile(tl.sum([x**3 for x in letters(index)]), [index]).backward(asked, reduction="sum")
    found = [x.grad for x in letters.parameters()]
    expected = [3 * x.data**2 * asked.count(i) for i, row in enumerate(letters.rows) for x in row]
    assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("index", [-1.0, 3.0, 0.5, math.nan, math.inf])
def test_what_is_no_index_is_nan_in_its_lane_alone(index: float) -> None:
    letters, label = Embedding(3, 2, seed=0), Value(1.0)
    found = compile(letters(label)[0], [label])([1.0, index])
    assert found[0] == letters.rows[1][0].data
    assert math.isnan(found[1])
    logits = [Value(0.1), Value(0.2), Value(0.3)]
    losses = compile(tl.cross_entropy(logits, one_hot(label, 3)), [label])([index, 2.0])
    assert math.isnan(losses[0])
    assert losses[1] == pytest.approx(tl.cross_entropy([0.1, 0.2, 0.3], 2), rel=1e-14)


def test_labels_as_an_input_need_no_rows_of_probabilities() -> None:
    net, x, label = MLP(2, [4, 3], seed=0), [Value(0.0), Value(0.0)], Value(0.0)
    points, labels = np.random.default_rng(0).normal(size=(5, 2)), [2, 0, 1, 1, 2]
    losses = compile(tl.cross_entropy(net(x), one_hot(label, 3)), [x, label])(points, labels)
    each = [tl.cross_entropy(net(p), i).data for p, i in zip(points.tolist(), labels, strict=True)]
    assert losses == pytest.approx(each, rel=1e-13)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: one_hot([0, 3, 1], 3), ValueError, "one_hot: expected classes from 0 to 2, got 3 in row 1"),
        (lambda: one_hot([0, -1], 3), ValueError, "one_hot: expected classes from 0 to 2, got -1 in row 1"),
        (lambda: one_hot([0.0, 1.0], 3), TypeError, "one_hot: expected a list of whole numbers, got dtype float64 of shape (2,)"),
        (lambda: one_hot(Value(3.0), 3), ValueError, "one_hot: expected an index from 0 to 2, got 3"),
        (lambda: one_hot(Value(0.5), 3), TypeError, "one_hot: expected an index from 0 to 2, got 0.5"),
        (lambda: one_hot([0], 0), ValueError, "one_hot: expected classes to be a whole number >= 1, got 0"),
        (lambda: Embedding(3, 2)(3), ValueError, "Embedding: expected an index from 0 to 2, got 3"),
        (lambda: Embedding(3, 2)(-1), ValueError, "Embedding: expected an index from 0 to 2, got -1"),
        (lambda: Embedding(3, 2)(1.0), TypeError, "Embedding: expected an index from 0 to 2, got 1.0"),
        (lambda: Embedding(3, 2)(True), TypeError, "Embedding: expected an index from 0 to 2, got True"),
        (lambda: Embedding(3, 2)(np.array([0, 1])), TypeError, "Embedding: expected an index from 0 to 2, got array([0, 1])"),
        (lambda: one_hot(2, 3), TypeError, "one_hot: expected a list of whole numbers, got dtype int64 of shape ()"),
        (lambda: Embedding(0, 2), ValueError, "Embedding: expected count to be a whole number >= 1, got 0"),
        (lambda: Embedding(2, 1.5), TypeError, "Embedding: expected width to be a whole number >= 1, got 1.5"),  # type: ignore[arg-type]
        (lambda: Neuron(2, tl.add), ValueError, "Neuron: there is no activation 'add'; take 'relu', 'tanh', 'sigmoid', a function of one number, or None"),
        (lambda: Neuron(2, 3), ValueError, "Neuron: there is no activation 3; take 'relu', 'tanh', 'sigmoid', a function of one number, or None"),  # type: ignore[arg-type]
        (lambda: Neuron(0), ValueError, "Neuron: expected n_in to be a whole number >= 1, got 0"),
        (lambda: Neuron(1, n_out=0), ValueError, "Neuron: expected n_out to be a whole number >= 1, got 0"),
        (lambda: Layer(2, 0), ValueError, "Layer: expected n_out to be a whole number >= 1, got 0"),
        (lambda: MLP(2, []), ValueError, "MLP: expected the sizes of the layers, such as [16, 1], got []"),
        (lambda: MLP(2, 1), ValueError, "MLP: expected the sizes of the layers, such as [16, 1], got 1"),  # type: ignore[arg-type]
        (lambda: MLP(2, [2, 1], "rleu"), ValueError, "Neuron: there is no activation 'rleu'; take 'relu', 'tanh', 'sigmoid', a function of one number, or None"),
        (lambda: MLP(2, [1], "rleu"), ValueError, "Neuron: there is no activation 'rleu'; take 'relu', 'tanh', 'sigmoid', a function of one number, or None"),
        (lambda: MLP(2, [2, 1], "add"), ValueError, "Neuron: there is no activation 'add'; take 'relu', 'tanh', 'sigmoid', a function of one number, or None"),
        (lambda: MLP(2, [2, 1])([1.0]), ValueError, "n1,1: expected 2 inputs, got 1"),
        (lambda: MLP(2, [2, 1])([1.0, "x"]), TypeError, "a Value holds one number, got str"),
    ],
)  # fmt: skip
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
