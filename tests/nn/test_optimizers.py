"""Optimizers, against formulas for one number at a time."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value
from tinygrad_lite.nn import SGD, Adam, AdamW, Optimizer, RMSprop, clip_grad_norm

NAN = math.nan
W = [Value(1.0, "p")]


def numbers(parameters: list[Value]) -> list[float]:
    return [parameter.data for parameter in parameters]

def gradient_of_a_valley(parameters: list[Value]) -> None:
    for scale, parameter in enumerate(parameters, 1):
        parameter.grad = scale * (parameter.data - 3)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [  # as in PyTorch
        (SGD, {"lr": 0.01, "momentum": 0.0, "weight_decay": 0.0}),
        (RMSprop, {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0}),
        (Adam, {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}),
        (AdamW, {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
    ],
)
def test_the_usual_rates_are_those_that_people_know(optimizer: Any, expected: dict[str, Any]) -> None:
    assert {name: getattr(optimizer(W), name) for name in expected} == expected


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


def rmsprop(t: int, p: float, g: float, state: dict[str, float]) -> float:
    state["s"] = 0.9 * state.get("s", 0.0) + 0.1 * (g + 0.2 * p) ** 2
    return p - 0.1 * (g + 0.2 * p) / (math.sqrt(state["s"]) + 1e-8)


RULES: dict[str, tuple[Any, Any]] = {
    "sgd": (lambda ps: SGD(ps, 0.1), lambda t, p, g, state: p - 0.1 * g),
    "momentum": (lambda ps: SGD(ps, 0.1, momentum=0.9, weight_decay=0.01), momentum),
    "rmsprop": (lambda ps: RMSprop(ps, 0.1, alpha=0.9, weight_decay=0.2), rmsprop),
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
    signs = Signs([p, q], 0.25)
    signs.step()
    assert (p.data, q.data, signs.weight_decay) == (0.75, 1.25, 0.0)


def test_a_gradient_is_clipped_as_a_whole() -> None:
    p, q = Value(0.0), Value(0.0)
    p.grad, q.grad = 3e200, -4e200
    assert clip_grad_norm([p, q], 10.0) == pytest.approx(5e200)
    assert (p.grad, q.grad) == pytest.approx((6.0, -8.0))
    assert clip_grad_norm([p, q], 11.0) == pytest.approx(10.0)
    assert (p.grad, q.grad) == pytest.approx((6.0, -8.0))


@pytest.mark.parametrize("norm", [1.0, 1e308])
@pytest.mark.parametrize("scale", [1.5e308, 5e-324, 1e-160, 1e200])
def test_a_length_that_over_or_underflows_has_a_direction_still(scale: float, norm: float) -> None:
    p, q = Value(0.0), Value(0.0)
    p.grad = q.grad = scale
    length = clip_grad_norm([p, q], norm)
    assert length == pytest.approx(scale * math.sqrt(2), rel=1e-15, abs=5e-324)
    expected = norm / math.sqrt(2) if scale * math.sqrt(2) > norm else scale
    assert (p.grad, q.grad) == pytest.approx((expected, expected), rel=1e-15)


@pytest.mark.parametrize("gradient", [(math.inf, 1.0), (1.0, -math.inf), (NAN, 1.0), (NAN, math.inf)])
def test_a_gradient_without_a_direction_stays_as_it_is(gradient: tuple[float, float]) -> None:
    p, q = Value(0.0), Value(0.0)
    p.grad, q.grad = gradient
    assert not math.isfinite(clip_grad_norm([p, q], 1.0))
    assert (p.grad, q.grad) == pytest.approx(gradient, nan_ok=True)


def test_a_gradient_of_zeros_is_clipped_to_itself() -> None:
    p = Value(0.0)
    assert (clip_grad_norm([p], 1.0), p.grad) == (0.0, 0.0)


KINDS: dict[str, Any] = {
    "sgd": lambda ps: SGD(ps, 0.1, momentum=0.9),
    "rmsprop": lambda ps: RMSprop(ps, 0.1),
    "adam": lambda ps: Adam(ps, 0.1),
    "adamw": lambda ps: AdamW(ps, 0.1),
}
each_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


@each_kind
@pytest.mark.parametrize("bad", [math.inf, -math.inf, NAN])
def test_a_step_that_fails_changes_nothing(make: Any, bad: float) -> None:
    after_failing, other = ([Value(1.0, "p"), Value(-2.0, "q")] for _ in range(2))
    failing, plain = make(after_failing), make(other)
    for _ in range(4):
        for optimizer in (failing, plain):
            gradient_of_a_valley(optimizer.parameters)
            optimizer.step()
        after_failing[1].grad = bad
        with pytest.raises(FloatingPointError, match=rf"the gradient of .*'q'\) is {bad!r}; "):
            failing.step()
    assert numbers(after_failing) == numbers(other)


def test_the_message_names_the_parameter() -> None:
    p = Value(0.0, "w")
    p.grad = NAN
    with pytest.raises(FloatingPointError) as caught:
        SGD([p]).step()
    assert str(caught.value) == (
        "SGD: the gradient of Value(0.0, 'w') is nan; parameters and optimizer are as before it; "
        "begin elsewhere, or smooth the loss there"
    )


def test_a_step_to_infinity_is_refused() -> None:
    p = Value(1e300)
    p.grad = 1e300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(FloatingPointError) as caught:
            SGD([p], 1e300).step()
    assert p.data == 1e300
    assert str(caught.value) == (
        "SGD: the step takes Value(1e+300) to -inf; parameters and optimizer are as before it; "
        "try a lower learning rate, or clip the gradient"
    )


@pytest.mark.parametrize("kind", [Adam, AdamW, RMSprop])
def test_a_square_that_overflows_does_not_stop_a_parameter_for_good(kind: Any) -> None:
    p = Value(1.0)
    optimizer = kind([p], 0.1)
    p.grad = 1e200
    with pytest.raises(FloatingPointError) as caught:
        optimizer.step()
    assert str(caught.value) == (
        f"{kind.__name__}: the step overflows in 'square' (element 0); parameters and optimizer are "
        "as before it; try a lower learning rate, or clip the gradient"
    )
    p.grad = 1.0
    optimizer.step()
    assert p.data < 1.0


def test_what_was_infinite_before_may_stay_so() -> None:
    class Within(Optimizer):
        def __init__(self, parameters: Any, low: Any) -> None:
            super().__init__(parameters, 1.0)
            self.low = np.array(low)

        def update(self, data: Any, grad: Any) -> Any:
            return np.maximum(data - self.lr * grad, self.low)

    ps = [Value(0.0), Value(0.0)]
    for p in ps:
        p.grad = 5.0
    Within(ps, [-math.inf, -2.0]).step()
    assert numbers(ps) == [-5.0, -2.0]


@pytest.mark.parametrize("given", [None, 1.0, [1.0], np.zeros((2, 1))], ids=repr)
def test_an_update_gives_a_number_for_each_parameter(given: Any) -> None:
    class Wrong(Optimizer):
        def update(self, data: Any, grad: Any) -> Any:
            return given

    ps = [Value(1.0), Value(2.0)]
    with pytest.raises(ValueError, match=r"^Wrong: expected an update") as caught:
        Wrong(ps, 0.1).step()
    shape = np.shape(given)
    assert str(caught.value) == f"Wrong: expected an update to give an array of shape (2,), got one of shape {shape}"
    assert numbers(ps) == [1.0, 2.0]


def test_an_update_may_give_a_list() -> None:
    class Listed(Optimizer):
        def update(self, data: Any, grad: Any) -> Any:
            return (data - grad).tolist()

    p = Value(1.0)
    p.grad = 0.25
    Listed([p], 0.1).step()
    assert p.data == 0.75


def test_an_update_that_raises_leaves_the_state() -> None:
    class Failing(SGD):
        def update(self, data: Any, grad: Any) -> Any:
            self.velocity = self.velocity + grad
            self.count = 1
            raise KeyboardInterrupt

    p = Value(1.0)
    optimizer = Failing([p])
    optimizer.velocity = np.array([2.0])
    p.grad = 1.0
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    assert optimizer.velocity.tolist() == [2.0]
    assert not hasattr(optimizer, "count")


@each_kind
def test_a_state_goes_back_to_where_it_was_taken(make: Any) -> None:
    p = Value(1.0)
    optimizer = make([p])
    p.grad = 0.5
    optimizer.step()
    state, data = optimizer.state(), p.data
    optimizer.step()
    there = p.data
    optimizer.restore(state)
    p.data = data
    optimizer.step()
    assert p.data == there


def test_a_schedule_assigns_the_rate() -> None:
    p = Value(0.0)
    optimizer = SGD([p], 1.0)
    for rate in (1.0, 0.5, 0.25, 0.0):
        optimizer.lr = rate
        p.grad = -1.0
        optimizer.step()
    assert p.data == 1.75


def test_arrays_of_values_are_parameters() -> None:
    weights = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    bias = Value(5.0)
    assert numbers(SGD(weights).parameters) == [1.0, 2.0, 3.0, 4.0]
    assert numbers(SGD([weights, bias, np.array(Value(6.0))]).parameters) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    for parameter in weights.flat:
        parameter.grad = 1.0
    assert clip_grad_norm(weights, 1.0) == 2.0
    assert bias.grad == 0.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: clip_grad_norm(W, -1.0), ValueError, "clip_grad_norm: expected a norm > 0, got -1.0"),
        (lambda: SGD(W, 0), ValueError, "SGD: expected a learning rate > 0, got 0"),
        (lambda: SGD(W, -0.1), ValueError, "SGD: expected a learning rate > 0, got -0.1"),
        (lambda: Adam(W, NAN), ValueError, "Adam: expected a learning rate > 0, got nan"),
        (lambda: AdamW(W, math.inf), ValueError, "AdamW: expected a learning rate > 0, got inf"),
        (lambda: SGD(W, "0.1"), TypeError, "SGD: expected a learning rate > 0, got '0.1'"),  # type: ignore[arg-type]
        (lambda: SGD(W, 0.1, momentum=1.0), ValueError, "SGD: expected a momentum from 0 to below 1, got 1.0"),
        (lambda: SGD(W, 0.1, weight_decay=-1), ValueError, "SGD: expected a weight decay >= 0, got -1"),
        (lambda: Adam(W, betas=0.9), TypeError, "Adam: expected two betas, got 0.9"),
        (lambda: Adam(W, betas=(0.9, 1.0)), ValueError, "Adam: expected a beta from 0 to below 1, got 1.0"),
        (lambda: Adam(W, eps=-1e-8), ValueError, "Adam: expected an eps >= 0, got -1e-08"),
        (lambda: RMSprop(W, alpha=1.0), ValueError, "RMSprop: expected an alpha from 0 to below 1, got 1.0"),
        (lambda: clip_grad_norm([1.0], 1.0), TypeError, "clip_grad_norm: expected Values as the parameters, got float"),
        (lambda: clip_grad_norm(W, Value(1.0)), TypeError, "clip_grad_norm: expected a norm > 0, got Value(1.0)"),  # type: ignore[arg-type]
        (lambda: SGD(W, Value(0.5)), TypeError, "SGD: expected a learning rate > 0, got Value(0.5)"),  # type: ignore[arg-type]
        (lambda: clip_grad_norm(W, None), TypeError, "clip_grad_norm: expected a norm > 0, got None"),  # type: ignore[arg-type]
        (lambda: SGD(W[0]), TypeError, "SGD: expected a list of Values as the parameters, got Value"),
        (lambda: SGD([], 0.1), ValueError, "SGD: expected parameters, each once, got none"),
        (lambda: SGD([*W, *W], 0.1), ValueError, "SGD: expected parameters, each once, got one twice"),
        (lambda: SGD([1.0], 0.1), TypeError, "SGD: expected Values as the parameters, got float"),
        (lambda: SGD([W[0] + 1], 0.1), ValueError, "SGD: expected leaves as the parameters, got the result of add"),
    ],
)  # fmt: skip
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize("wrong", [None, "1", [1.0], np.ones(2), Value(1.0)])
def test_a_grad_that_is_no_number_is_named_and_nothing_changes(wrong: Any) -> None:
    p, q = Value(1.0, "p"), Value(2.0, "q")
    optimizer = SGD([p, q], 0.1)
    p.grad, q.grad = 1.0, wrong
    message = r"expected the grad of Value\(2.0, 'q'\) to be a number, got .*; zero_grad makes it 0"
    with pytest.raises(TypeError, match="SGD: " + message):
        optimizer.step()
    with pytest.raises(TypeError, match="clip_grad_norm: " + message):
        clip_grad_norm([p, q], 1.0)
    assert (p.data, q.data) == (1.0, 2.0)
    optimizer.zero_grad()
    q.grad = np.float32(0.5)  # type: ignore[assignment]
    optimizer.step()
    assert q.data == 1.95
