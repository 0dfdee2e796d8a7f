"""Networks, optimizers, the loop and the files."""

from __future__ import annotations

import copy
import io
import math
import pickle
import signal
import sys
import types
import warnings
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value, topological_order
from tinygrad_lite.arrays.program import compile
from tinygrad_lite.functional import hinge, mean_squared_error
from tinygrad_lite.nn import MLP, SGD, Adam, AdamW, Layer, Neuron, Optimizer, clip_grad_norm, fit, load, one_hot, save


def moons(count: int = 100, noise: float = 0.1, seed: int = 1) -> tuple[Any, Any]:
    """Two interleaved half circles, and -1 or 1 for each point."""
    rng = np.random.default_rng(seed)
    t, lower = rng.uniform(0, math.pi, count), np.arange(count) % 2
    upper_points = np.stack([np.cos(t), np.sin(t)], axis=1)
    points = np.where(lower[:, None], [1.0, 0.5] - upper_points, upper_points)
    return points + rng.normal(0, noise, (count, 2)), 1.0 - 2 * lower


def numbers(parameters: list[Value]) -> list[float]:
    return [parameter.data for parameter in parameters]


def line() -> tuple[Value, list[Value], list[Value], list[Any]]:
    """The squared error of w·x + b, its inputs, its parameters, and data of 2x + 1."""
    x, y, w, b = Value(0.0, "x"), Value(0.0, "y"), Value(0.0, "w"), Value(0.0, "b")
    return (w * x + b - y) ** 2, [x, y], [w, b], [[0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0]]


# Networks


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


# Optimizers


def gradient_of_a_valley(parameters: list[Value]) -> None:
    for scale, parameter in enumerate(parameters, 1):
        parameter.grad = scale * (parameter.data - 3)


def by_hand(rule: Any, rounds: int = 5) -> list[float]:
    """The same with one number at a time; `rule(t, p, g, state)` gives the new number."""
    found = []
    for scale, p in enumerate([1.0, -2.0], 1):
        state: dict[str, float] = {}
        for t in range(1, rounds + 1):
            p = rule(t, p, scale * (p - 3), state)
        found.append(p)
    return found


def momentum(t: int, p: float, g: float, state: dict[str, float]) -> float:
    state["v"] = 0.9 * state.get("v", 0.0) + g + 0.01 * p
    return p - 0.1 * state["v"]


def adam(t: int, p: float, g: float, state: dict[str, float]) -> float:
    state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
    state["s"] = 0.99 * state.get("s", 0.0) + 0.01 * g**2
    return p - 0.1 * (state["m"] / (1 - 0.9**t)) / (math.sqrt(state["s"] / (1 - 0.99**t)) + 1e-8)


RULES: dict[str, tuple[Any, Any]] = {
    "sgd": (lambda ps: SGD(ps, 0.1), lambda t, p, g, state: p - 0.1 * g),
    "momentum": (lambda ps: SGD(ps, 0.1, momentum=0.9, weight_decay=0.01), momentum),
    "adam": (lambda ps: Adam(ps, 0.1, betas=(0.9, 0.99)), adam),
    "adam with decay": (lambda ps: Adam(ps, 0.1, (0.9, 0.99), weight_decay=0.2), lambda t, p, g, s: adam(t, p, g + 0.2 * p, s)),
    "adamw": (lambda ps: AdamW(ps, 0.1, (0.9, 0.99), weight_decay=0.2), lambda t, p, g, s: adam(t, p, g, s) - 0.1 * 0.2 * p),
}


@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_does_what_its_formula_says(name: str) -> None:
    make, rule = RULES[name]
    parameters = [Value(1.0), Value(-2.0)]
    optimizer = make(parameters)
    for _ in range(5):
        gradient_of_a_valley(parameters)
        optimizer.step()
    assert numbers(parameters) == pytest.approx(by_hand(rule), rel=1e-13)
    assert all(type(parameter.data) is float for parameter in parameters)


def test_adamw_decays_by_default_and_adam_does_not() -> None:
    assert (AdamW([Value(1.0)]).weight_decay, Adam([Value(1.0)]).weight_decay) == (0.01, 0.0)


def test_zero_grad_forgets_the_gradient() -> None:
    p = Value(1.0)
    (p * p).backward()
    SGD([p], 0.1).zero_grad()
    assert p.grad == 0.0


def test_a_user_writes_an_optimizer_as_a_rule() -> None:
    class Signs(Optimizer):
        def update(self, data: Any, grad: Any) -> Any:
            return data - self.lr * np.sign(grad)

    p, q = Value(1.0), Value(1.0)
    (p * p - q).backward()
    Signs([p, q], 0.25).step()
    assert (p.data, q.data) == (0.75, 1.25)


def test_a_gradient_is_clipped_as_a_whole() -> None:
    p, q = Value(0.0), Value(0.0)
    p.grad, q.grad = 3e200, -4e200
    assert clip_grad_norm([p, q], 10.0) == pytest.approx(5e200)
    assert (p.grad, q.grad) == pytest.approx((6.0, -8.0))
    assert clip_grad_norm([p, q], 11.0) == pytest.approx(10.0)
    assert (p.grad, q.grad) == pytest.approx((6.0, -8.0))


# The loop


@pytest.mark.parametrize("make", [lambda ps: SGD(ps, 0.05, momentum=0.9), lambda ps: AdamW(ps, 0.01)], ids=["sgd", "adamw"])
def test_both_ways_train_alike(make: Any) -> None:
    points, sides = moons(20)
    eager, compiled = MLP(2, [8, 8, 1]), MLP(2, [8, 8, 1])
    optimizer = make(eager.parameters())
    losses = []
    for _ in range(20):
        loss = hinge([eager(point) for point in points], list(sides))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.data)
    x, y = [Value(0.0), Value(0.0)], Value(1.0)
    ps = compiled.parameters()
    history = fit(hinge(compiled(x), y), [x, y], [points, sides], ps, make(ps), epochs=20)
    assert numbers(ps) == pytest.approx(numbers(eager.parameters()), rel=1e-12, abs=1e-12)
    assert history == {"loss": pytest.approx(losses, rel=1e-12), "validation": []}


def test_two_moons_are_told_apart_in_under_200_steps() -> None:
    points, sides = moons()
    net = MLP(2, [16, 16, 1])
    x, y = [Value(0.0), Value(0.0)], Value(1.0)
    score, ps = net(x), net.parameters()
    history = fit(hinge(score, y), [x, y], [points, sides], ps, SGD(ps, 0.1, momentum=0.9), epochs=150)
    assert len(history["loss"]) == 150
    assert (compile(score, [x])(points) * sides > 0).all()


def test_logistic_regression_reaches_the_logarithms_of_the_odds() -> None:
    xs, ys = [0.0] * 10 + [1.0] * 8, [1.0] * 3 + [0.0] * 7 + [1.0] * 6 + [0.0] * 2
    x, y, w, b = Value(0.0), Value(0.0), Value(0.0, "w"), Value(0.0, "b")
    fit(tl.binary_cross_entropy(w * x + b, y), [x, y], [xs, ys], [w, b], SGD([w, b], 2.0, 0.5), epochs=400)
    assert (b.data, b.data + w.data) == pytest.approx((math.log(3 / 7), math.log(6 / 2)), rel=1e-10)


def test_a_gaussian_fitted_by_maximum_likelihood_is_the_closed_form() -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, 200)
    x, mu, log_sigma = Value(0.0), Value(0.0, "mu"), Value(0.0, "log_sigma")
    minus_log_density = 0.5 * ((x - mu) / tl.exp(log_sigma)) ** 2 + log_sigma
    ps = [mu, log_sigma]
    fit(minus_log_density, [x], [draws], ps, SGD(ps, 0.2), epochs=1000)
    assert (mu.data, math.exp(log_sigma.data)) == pytest.approx((draws.mean(), draws.std()), rel=1e-10)


def test_the_least_cross_entropy_is_the_entropy_of_the_frequencies() -> None:
    draws = [0, 1, 1, 2, 1, 0, 2, 1]
    logits, target = [Value(0.0, f"z{i}") for i in range(3)], [Value(0.0) for _ in range(3)]
    history = fit(tl.cross_entropy(logits, target), [target], [one_hot(draws, 3)], logits, SGD(logits, 1.0, 0.5), epochs=200)
    frequencies = [2 / 8, 4 / 8, 2 / 8]
    assert tl.softmax(numbers(logits)) == pytest.approx(frequencies, rel=1e-10)
    assert history["loss"][-1] == pytest.approx(-sum(p * math.log(p) for p in frequencies), rel=1e-12)


def test_the_same_seed_gives_the_same_numbers() -> None:
    def run(seed: int) -> tuple[list[float], list[float]]:
        loss, inputs, ps, data = line()
        history = fit(loss, inputs, data, ps, SGD(ps, 0.02), epochs=5, batch_size=3, seed=seed)
        return history["loss"], numbers(ps)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_an_epoch_takes_every_point_once_the_last_batch_being_smaller() -> None:
    x, p = Value(0.0), Value(1.0)
    history = fit(p * x, [x], [[1.0, 2.0, 4.0, 8.0, 16.0]], [p], SGD([p], 1e-300), epochs=3, batch_size=2)
    assert history["loss"] == pytest.approx([31 / 5] * 3)


def test_with_validation_the_best_parameters_are_kept() -> None:
    x, p = Value(0.0), Value(0.0, "p")
    history = fit((p - x) ** 2, [x], [[4.0]], [p], SGD([p], 0.125), epochs=8, validation=[[1.9]])
    assert p.data == pytest.approx(1.75)  # 0, 1, 1.75, 2.3125, …
    assert min(history["validation"]) == history["validation"][1] == pytest.approx(0.0225)
    assert len(history["validation"]) == len(history["loss"]) == 8


@pytest.mark.parametrize("validation", [None, [[1.9]]])
def test_patience_stops_after_epochs_that_bring_nothing_better(validation: Any) -> None:
    x, p = Value(0.0), Value(0.0, "p")
    optimizer = SGD([p], 0.125 if validation else 1.5)  # which diverges
    history = fit((p - x) ** 2, [x], [[4.0]], [p], optimizer, epochs=50, validation=validation, patience=3)
    assert len(history["loss"]) == (2 if validation else 1) + 3
    assert p.data == pytest.approx(1.75 if validation else 0.0)


class Interrupted(SGD):
    """Ctrl-C in the middle of a step."""

    count = 0

    def update(self, data: Any, grad: Any) -> Any:
        self.count += 1
        if self.count == 8:
            data += 1e6
            signal.raise_signal(signal.SIGINT)
        return super().update(data, grad)


@pytest.mark.parametrize(("lr", "best"), [(0.125, -1), (1.5, 0)], ids=["converging", "diverging"])
def test_ctrl_c_keeps_the_best_parameters_and_returns(lr: float, best: int) -> None:
    x, p = Value(0.0), Value(0.0, "p")
    history = fit((p - x) ** 2, [x], [[4.0]], [p], Interrupted([p], lr), epochs=100)
    assert len(history["loss"]) == 7
    assert (p.data - 4) ** 2 == history["loss"][best]


def test_ctrl_c_in_the_first_epoch_keeps_what_it_brought() -> None:
    x, p = Value(0.0), Value(0.0, "p")
    history = fit((p - x) ** 2, [x], [[4.0] * 20], [p], Interrupted([p], 0.125), batch_size=1)
    assert history["loss"] == []
    assert p.data == pytest.approx(4 - 4 * 0.75**7)


def test_no_epochs_change_nothing() -> None:
    loss, inputs, ps, data = line()
    assert fit(loss, inputs, data, ps, SGD(ps, 0.1), epochs=0) == {"loss": [], "validation": []}
    assert numbers(ps) == [0.0, 0.0]


def test_max_norm_bounds_a_step() -> None:
    x, p = Value(0.0), Value(0.0)
    fit((p - x) ** 2, [x], [[1e6]], [p], SGD([p], 1.0), epochs=3, max_norm=0.5)
    assert p.data == 1.5


def test_training_writes_the_parameters_and_leaves_their_grad_alone() -> None:
    loss, inputs, (w, b), data = line()
    w.grad, idle = 7.0, Value(3.0, "idle")
    with pytest.warns(UserWarning, match="does not use 1 of the 3 parameters"):
        fit(loss, inputs, data, [b, idle, w], SGD([idle, b, w], 0.05, weight_decay=0.1), epochs=3)
    assert (w.grad, b.grad) == (7.0, 0.0)
    assert idle.data == pytest.approx(3 * (1 - 0.05 * 0.1) ** 3)
    assert 0 not in (w.data, b.data)


def test_a_validation_that_is_never_finite_keeps_the_last_parameters() -> None:
    x, p = Value(0.0), Value(0.0, "p")
    history = fit((p - x) ** 2, [x], [[4.0]], [p], SGD([p], 0.25), epochs=3, validation=[[1e200]])
    assert p.data == pytest.approx(3.5)
    assert history["validation"] == [math.inf] * 3


def test_a_parameter_that_the_optimizer_leaves_out_stays() -> None:
    loss, inputs, (w, b), data = line()
    fit(loss, inputs, data, [w, b], SGD([w], 0.1), epochs=50, max_norm=100.0)
    assert b.data == 0.0
    assert w.data == pytest.approx(34 / 14)


def test_a_loss_that_becomes_nan_stops_and_restores_the_last_good_parameters() -> None:
    x, p = Value(0.0), Value(1.0, "p")
    with pytest.raises(FloatingPointError) as caught:
        fit(tl.log(p) * x, [x], [[1.0]], [p], SGD([p], 0.4), epochs=10)
    steps = [1.0, 0.6]  # then 0.6 - 0.4/0.6 < 0
    assert p.data == pytest.approx(steps[-1])
    assert p.grad == 0.0
    message = "fit: the loss is nan at step 3; the parameters are those before it; try a lower learning rate, or max_norm"
    assert str(caught.value) == message


def test_a_loss_that_overflows_stops_too() -> None:
    loss, inputs, ps, data = line()
    with pytest.raises(FloatingPointError, match=r"^fit: the loss is (inf|nan) at step \d+; "):
        fit(loss, inputs, data, ps, SGD(ps, 10.0), epochs=1000)
    assert all(math.isfinite(p.data) for p in ps)


def test_parameters_that_the_loss_does_not_use_are_warned_of_once() -> None:
    loss, inputs, ps, data = line()
    more = [*ps, Value(5.0, "c"), Value(6.0, "d")]
    with pytest.warns(UserWarning, match="does not use") as caught:
        fit(loss, inputs, data, more, SGD(more, 0.1), epochs=3)
    assert [str(each.message) for each in caught] == [
        "fit: the loss does not use 2 of the 4 parameters, the first of them Value(5.0, 'c')"
    ]
    assert caught[0].filename == __file__
    assert numbers(more[2:]) == [5.0, 6.0]


class Bar:
    """What tqdm does, written down."""

    made: ClassVar[list[Bar]] = []

    def __init__(self, total: int, unit: str) -> None:
        self.total, self.count, self.closed = total, 0, False
        self.shown: dict[str, str] = {}
        self.made.append(self)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def set_postfix(self, shown: dict[str, str], refresh: bool) -> None:
        self.shown = shown

    def update(self) -> None:
        self.count += 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "installed", "progress", "bars"),
    [(True, True, None, 1), (False, True, None, 0), (True, False, None, 0), (False, True, True, 1), (True, True, False, 0)],
)
def test_a_bar_is_for_a_person_who_has_tqdm(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, installed: bool, progress: bool | None, bars: int
) -> None:
    loss, inputs, ps, data = line()
    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=Bar) if installed else None)
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setattr(Bar, "made", [])
    fit(loss, inputs, data, ps, SGD(ps, 0.01), epochs=4, validation=data, progress=progress)
    assert len(Bar.made) == bars
    for bar in Bar.made:
        assert (bar.total, bar.count, bar.closed, set(bar.shown)) == (4, 4, True, {"loss", "validation"})


def test_data_may_be_integers_and_are_not_changed() -> None:
    loss, inputs, ps, _ = line()
    data = [np.array([0, 1]), np.array([1, 3])]
    data[0].flags.writeable = data[1].flags.writeable = False
    fit(loss, inputs, data, ps, SGD(ps, 0.5), epochs=300, batch_size=1)
    assert numbers(ps) == pytest.approx([2.0, 1.0])


def trained(**changes: Any) -> Any:
    """`fit` on two features with one thing wrong."""
    x, y, w = [Value(0.0), Value(0.0)], Value(0.0), [Value(1.0, "w1"), Value(1.0, "w2")]
    features, targets = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [1.0, 2.0, 3.0]
    given: dict[str, Any] = {"data": [features, targets], "parameters": w, "optimizer": SGD(w, 0.01), "epochs": 1} | changes
    return fit(mean_squared_error(tl.dot(w, x), y), [x, y], **given)


NAN = math.nan
A, Y, W = [[0.0, 1.0], [2.0, 3.0]], [1.0, 2.0], [Value(1.0, "p")]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: trained(data=[A]), ValueError, "fit: expected 2 arrays in data, one for each input, got 1"),
        (lambda: trained(data=[[], []]), ValueError, "fit: expected at least one row in data[0], got []"),
        (lambda: trained(data=[np.zeros((0, 2)), []]), ValueError, "fit: expected at least one row in data[0], got array([], shape=(0, 2), dtype=float64)"),
        (lambda: trained(data=[A, 3.0]), ValueError, "fit: expected at least one row in data[1], got 3.0"),
        (lambda: trained(data=[A, [1.0]]), ValueError, "fit: expected arrays of one length in data, got 2 and 1 rows"),
        (lambda: trained(data=[[[0.0, 1.0], [2.0]], Y]), ValueError, "fit: expected rows of shape (2,) in data[0], got (1,) in row 1"),
        (lambda: trained(data=[[[0.0], [2.0]], Y]), ValueError, "fit: expected rows of shape (2,) in data[0], got (1,) in row 0"),
        (lambda: trained(data=[A, [[1.0], [2.0]]]), ValueError, "fit: expected rows of shape () in data[1], got (1,) in row 0"),
        (lambda: trained(data=[A, [1.0, [2.0]]]), ValueError, "fit: expected rows of shape () in data[1], got (1,) in row 1"),
        (lambda: trained(data=[[[0.0, 1.0], [2.0, NAN]], Y]), ValueError, "fit: data[0] holds nan in row 1; leave the point out, or replace the number"),
        (lambda: trained(data=[A, [NAN, NAN]]), ValueError, "fit: data[1] holds nan in row 0; leave the point out, or replace the number"),
        (lambda: trained(validation=[A, [1.0, NAN]]), ValueError, "fit: validation[1] holds nan in row 1; leave the point out, or replace the number"),
        (lambda: trained(data=[A, ["a", "b"]]), TypeError, "fit: expected real numbers in data[1], got dtype <U1"),
        (lambda: trained(data=[A, [1.0, None]]), TypeError, "fit: expected real numbers in data[1], got dtype object"),
        (lambda: trained(data=[A, [1j, 2.0]]), TypeError, "fit: expected real numbers in data[1], got dtype complex128"),
        (lambda: trained(batch_size=0), ValueError, "fit: expected batch_size to be a whole number >= 1, got 0"),
        (lambda: trained(batch_size=1.5), ValueError, "fit: expected batch_size to be a whole number >= 1, got 1.5"),
        (lambda: trained(epochs=-1), ValueError, "fit: expected epochs to be a whole number >= 0, got -1"),
        (lambda: trained(epochs=True), ValueError, "fit: expected epochs to be a whole number >= 0, got True"),
        (lambda: trained(patience=0), ValueError, "fit: expected patience to be a whole number >= 1, got 0"),
        (lambda: trained(max_norm=0), ValueError, "fit: expected max_norm > 0, got 0"),
        (lambda: clip_grad_norm(W, -1.0), ValueError, "clip_grad_norm: expected a norm > 0, got -1.0"),
        (lambda: trained(optimizer=SGD(W, 0.1)), ValueError, "fit: 1 parameters of the optimizer are not among the parameters to train"),
        (lambda: trained(parameters=[]), ValueError, "fit: expected parameters, each once, got none"),
        (lambda: one_hot([0, 3, 1], 3), ValueError, "one_hot: expected classes from 0 to 2, got 3 in row 1"),
        (lambda: one_hot([0, -1], 3), ValueError, "one_hot: expected classes from 0 to 2, got -1 in row 1"),
        (lambda: one_hot([0.0, 1.0], 3), TypeError, "one_hot: expected whole numbers, got dtype float64 of shape (2,)"),  # type: ignore[list-item]
        (lambda: SGD(W, 0), ValueError, "SGD: expected a learning rate > 0, got 0"),
        (lambda: SGD(W, -0.1), ValueError, "SGD: expected a learning rate > 0, got -0.1"),
        (lambda: Adam(W, NAN), ValueError, "Adam: expected a learning rate > 0, got nan"),
        (lambda: AdamW(W, math.inf), ValueError, "AdamW: expected a learning rate > 0, got inf"),
        (lambda: SGD(W, "0.1"), TypeError, "SGD: expected a learning rate > 0, got '0.1'"),  # type: ignore[arg-type]
        (lambda: SGD(W, 0.1, momentum=1.0), ValueError, "SGD: expected a momentum from 0 to below 1, got 1.0"),
        (lambda: SGD(W, 0.1, weight_decay=-1), ValueError, "SGD: expected a weight decay >= 0, got -1"),
        (lambda: Adam(W, betas=(0.9, 1.0)), ValueError, "Adam: expected a beta from 0 to below 1, got 1.0"),
        (lambda: Adam(W, eps=-1e-8), ValueError, "Adam: expected an eps >= 0, got -1e-08"),
        (lambda: SGD([], 0.1), ValueError, "SGD: expected parameters, each once, got none"),
        (lambda: SGD([*W, *W], 0.1), ValueError, "SGD: expected parameters, each once, got one twice"),
        (lambda: SGD([1.0], 0.1), TypeError, "SGD: expected Values as the parameters, got float"),  # type: ignore[list-item]
        (lambda: SGD([W[0] + 1], 0.1), ValueError, "SGD: expected leaves as the parameters, got the result of add"),
        (lambda: Neuron(0), ValueError, "Neuron: expected n_in to be a whole number >= 1, got 0"),
        (lambda: Layer(2, 0), ValueError, "Layer: expected n_out to be a whole number >= 1, got 0"),
        (lambda: MLP(2, []), ValueError, "MLP: expected the sizes of the layers, such as [16, 1], got []"),
        (lambda: MLP(2, 1), ValueError, "MLP: expected the sizes of the layers, such as [16, 1], got 1"),  # type: ignore[arg-type]
        (lambda: MLP(2, [2, 1], "rleu"), ValueError, "Neuron: there is no activation 'rleu'; take 'relu', 'tanh', 'sigmoid' or another operation of one argument, or None"),
        (lambda: MLP(2, [2, 1], "add"), ValueError, "Neuron: there is no activation 'add'; take 'relu', 'tanh', 'sigmoid' or another operation of one argument, or None"),
        (lambda: MLP(2, [2, 1])([1.0]), ValueError, "n1,1: expected 2 inputs, got 1"),
        (lambda: MLP(2, [2, 1])([1.0, "x"]), TypeError, "a Value holds one number, got str"),
    ],
)  # fmt: skip
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


# Files


def test_saved_parameters_load_into_the_same_network(tmp_path: Path) -> None:
    net, other = MLP(2, [3, 1], seed=1), MLP(2, [3, 1], seed=2)
    save(net.parameters(), tmp_path / "net.npz")
    load(other.parameters(), str(tmp_path / "net.npz"))
    assert numbers(other.parameters()) == numbers(net.parameters())
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


def test_the_file_has_an_array_for_each_neuron(tmp_path: Path) -> None:
    net = MLP(2, [2, 1])
    save([*net.parameters(), Value(0.5, "mu"), Value(1.0), Value(2.0)], tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as archive:
        shapes = {name: archive[name].shape for name in archive.files}
        assert archive["unnamed"].tolist() == [1.0, 2.0]
        assert archive["n1,2"].tolist() == numbers(net.layers[0].neurons[1].parameters())
    assert shapes == {"n1,1": (3,), "n1,2": (3,), "n2,1": (3,), "mu": (), "unnamed": (2,)}


@pytest.mark.parametrize("label", ["file", "allow_pickle", "a/b", "../up", "σ", "with space", "x.npy", "arr_0"])
def test_any_label_can_be_saved(tmp_path: Path, label: str) -> None:
    p, q = Value(1.5, label), Value(0.0, label)
    save([p], tmp_path / "p.npz")
    load([q], tmp_path / "p.npz")
    assert q.data == 1.5
    assert len(list(tmp_path.iterdir())) == 1


def test_a_part_of_a_file_can_be_loaded(tmp_path: Path) -> None:
    save(MLP(2, [3, 1], seed=1).parameters(), tmp_path / "net.npz")
    first = Layer(2, 3, label="n1,", seed=2)
    load(first.parameters(), tmp_path / "net.npz")
    assert numbers(first.parameters()) == numbers(MLP(2, [3, 1], seed=1).layers[0].parameters())


def test_saving_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save([Value(1.0, "p")], tmp_path / "p.npz")

    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np.lib.format, "write_array", fails)
    with pytest.raises(OSError, match="no space left"):
        save([Value(2.0, "p")], tmp_path / "p.npz")
    monkeypatch.undo()
    p = Value(0.0, "p")
    load([p], tmp_path / "p.npz")
    assert p.data == 1.0
    assert len(list(tmp_path.iterdir())) == 1


class Trap:
    """Unpickling it would be seen."""

    sprung = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "sprung", True)


def damage(path: Path, kind: str) -> None:
    """Spoil a saved file."""
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "flipped":
        with zipfile.ZipFile(path) as archive:
            at = archive.infolist()[-1].header_offset + 180
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    elif kind == "pickle inside":
        with path.open("wb") as file:
            np.savez(file, allow_pickle=True, **{"n1,1": np.array([Trap()], dtype=object)})
    else:
        path.write_bytes({"empty": b"", "text": b"hello\n", "zip": b"PK\x05\x06" + bytes(17)}[kind])


@pytest.mark.parametrize("kind", ["truncated", "flipped", "npy", "pickle", "pickle inside", "empty", "text", "zip"])
def test_a_damaged_or_foreign_file_leaves_the_network_unchanged(tmp_path: Path, kind: str) -> None:
    path, net = tmp_path / "net.npz", MLP(2, [2, 1])
    save(MLP(2, [2, 1], seed=1).parameters(), path)
    damage(path, kind)
    before = numbers(net.parameters())
    with pytest.raises(ValueError, match=r"^load: '.*net\.npz' is no \.npz file that can be read \(.+\)$"):
        load(net.parameters(), path)
    assert numbers(net.parameters()) == before
    assert not Trap.sprung


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "load: 'net.npz' has no 'n1'; build the network as it was when it was saved"),
        ({"n1": np.ones(3)}, "load: 'net.npz' has no 'n2'; build the network as it was when it was saved"),
        ({"n1": np.ones(3), "n2": np.ones(2)}, "load: expected 'n2' in 'net.npz' to be float64 of shape (3,), got float64 of shape (2,)"),
        ({"n1": np.ones(3), "n2": np.ones((3, 1))}, "load: expected 'n2' in 'net.npz' to be float64 of shape (3,), got float64 of shape (3, 1)"),
        ({"n1": np.ones(3), "n2": np.array(["a"] * 3)}, "load: expected 'n2' in 'net.npz' to be float64 of shape (3,), got <U1 of shape (3,)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_leaves_the_network_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("net.npz", **arrays)
    layer = Layer(2, 2)
    before = numbers(layer.parameters())
    with pytest.raises(ValueError, match="load") as caught:
        load(layer.parameters(), "net.npz")
    assert str(caught.value) == message
    assert numbers(layer.parameters()) == before


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load([Value(0.0, "p")], tmp_path / "none.npz")


def test_overflow_in_a_step_is_silent_and_in_ieee_numbers() -> None:
    p = Value(1e300)
    p.grad = 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SGD([p], 1e300).step()
    assert p.data == -math.inf
