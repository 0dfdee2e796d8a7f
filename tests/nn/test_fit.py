"""The loop: what it reaches, what it keeps, and what it refuses."""

from __future__ import annotations

import io
import math
import signal
import sys
import types
from typing import Any, ClassVar

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value, compile
from tinygrad_lite.functional import hinge, mean_squared_error
from tinygrad_lite.nn import MLP, SGD, Adam, AdamW, Embedding, Optimizer, Trainer, fit, one_hot


def numbers(parameters: list[Value]) -> list[float]:
    return [parameter.data for parameter in parameters]


def moons(count: int = 100, noise: float = 0.1, seed: int = 1) -> tuple[Any, Any]:
    """Two interleaved half circles, and -1 or 1 for each point."""
    rng = np.random.default_rng(seed)
    t, lower = rng.uniform(0, math.pi, count), np.arange(count) % 2
    upper_points = np.stack([np.cos(t), np.sin(t)], axis=1)
    points = np.where(lower[:, None], [1.0, 0.5] - upper_points, upper_points)
    return points + rng.normal(0, noise, (count, 2)), 1.0 - 2 * lower


def line() -> tuple[Value, list[Value], list[Value], list[Any]]:
    """The squared error of w·x + b, its inputs, its parameters, and data of 2x + 1."""
    x, y, w, b = Value(0.0, "x"), Value(0.0, "y"), Value(0.0, "w"), Value(0.0, "b")
    return (w * x + b - y) ** 2, [x, y], [w, b], [[0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0]]

@pytest.mark.parametrize("make", [lambda ps: SGD(ps, 0.05, momentum=0.9), lambda ps: AdamW(ps, 0.01)], ids=["sgd", "adamw"])
def test_both_ways_train_alike(make: Any) -> None:
    points, sides = moons(20)
    eager, compiled = MLP(2, [8, 8, 1], seed=0), MLP(2, [8, 8, 1], seed=0)
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
    net = MLP(2, [16, 16, 1], seed=0)
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
    message = (
        "fit: the loss is nan at step 3; parameters and optimizer are as before the step that led there; "
        "try a lower learning rate, or max_norm"
    )
    assert str(caught.value) == message


def test_a_loss_that_overflows_stops_too() -> None:
    loss, inputs, ps, data = line()
    with pytest.raises(FloatingPointError, match=r"^fit: the loss is (inf|nan) at step \d+; "):
        fit(loss, inputs, data, ps, SGD(ps, 10.0), epochs=1000)
    assert all(math.isfinite(p.data) for p in ps)


def at_a_kink(data: list[list[float]], **options: Any) -> tuple[Value, Any]:
    """Training sqrt((w·x)²) from a point where the gradient is nan, with Adam."""
    x, w = Value(0.0), Value(1.0, "w")
    optimizer = Adam([w], 0.1)
    with pytest.raises(FloatingPointError) as caught:
        fit(((w * x) ** 2).sqrt(), [x], data, [w], optimizer, epochs=1, **options)
    assert optimizer.steps == 0
    return w, str(caught.value)


@pytest.mark.parametrize("options", [{}, {"validation": [[1.0]]}, {"max_norm": 1.0}, {"patience": 1}])
def test_a_gradient_that_is_nan_is_seen_before_it_is_used(options: dict[str, Any]) -> None:
    w, message = at_a_kink([[1.0, 0.0]], **options)
    assert w.data == 1.0
    assert message == (
        "fit: the gradient of Value(1.0, 'w') is nan at step 1; parameters and optimizer are as before it; "
        "begin elsewhere, or smooth the loss there"
    )


def test_an_infinite_gradient_is_refused() -> None:
    x, w = Value(0.0), Value(0.0, "w")
    with pytest.raises(FloatingPointError, match=r"the gradient of .* is inf at step 1"):
        fit((w * x).sqrt() + 1, [x], [[1.0, 2.0]], [w], SGD([w], 0.1), epochs=1, max_norm=1.0)
    assert w.data == 0.0


def test_a_step_that_overflows_is_not_taken() -> None:
    x, y, w = Value(0.0), Value(0.0), Value(1.0, "w")
    with pytest.raises(FloatingPointError, match=r"the step takes Value\(1.0, 'w'\) to -?inf at step 1"):
        fit((w * x - y) ** 4, [x, y], [[1.0], [1e60]], [w], SGD([w], 1e300), epochs=1)
    assert w.data == 1.0


def test_the_loss_after_the_last_step_is_looked_at() -> None:
    x, p = Value(0.0), Value(1.0, "p")
    optimizer = SGD([p], 0.4, momentum=0.5)
    with pytest.raises(FloatingPointError) as caught:
        fit(tl.log(p) * x, [x], [[1.0]], [p], optimizer, epochs=2)  # 1, 0.6, then below 0
    assert p.data == 0.6
    assert optimizer.velocity == 1.0
    assert str(caught.value).startswith("fit: the loss is nan after step 2; parameters and optimizer are as before ")


@pytest.mark.parametrize("make", [lambda p: SGD([p], 0.4, 0.5), lambda p: Adam([p], 0.4)], ids=["sgd", "adam"])
def test_after_a_failure_the_optimizer_goes_on_as_if_the_bad_step_had_not_been(make: Any) -> None:
    def run(epochs: int) -> tuple[float, Any]:
        x, p = Value(0.0), Value(1.0, "p")
        optimizer = make(p)
        try:
            fit(tl.log(p) * x, [x], [[1.0]], [p], optimizer, epochs=epochs)
        except FloatingPointError:
            assert epochs == 50
        return p.data, optimizer.state()

    last, state = run(50)
    for epochs in range(1, 50):
        if run(epochs)[0] == last:
            expected = run(epochs)[1]
            assert {name: repr(kept) for name, kept in state.items()} == {name: repr(kept) for name, kept in expected.items()}
            return
    pytest.fail("no number of epochs ends where the failure left the parameter")


def test_a_validation_of_minus_infinity_is_no_best_epoch() -> None:
    x, p = Value(1.0), Value(1.0, "p")
    history = fit(tl.log(p * x), [x], [[1.0]], [p], SGD([p], 0.1), epochs=1, validation=[[0.0]])
    assert history["validation"] == [-math.inf]
    assert p.data == pytest.approx(0.9)


def test_on_epoch_sees_each_epoch_and_sets_the_rate() -> None:
    x, p = Value(0.0), Value(0.0, "p")
    seen: list[tuple[int, float, int]] = []

    def halve(epoch: int, history: dict[str, list[float]], optimizer: Optimizer) -> None:
        seen.append((epoch, p.data, len(history["loss"])))
        optimizer.lr /= 2

    fit((p - x) ** 2, [x], [[4.0]], [p], SGD([p], 0.25), epochs=3, on_epoch=halve)
    assert seen == [(0, 2.0, 1), (1, 2.5, 2), (2, pytest.approx(2.5 + 0.125 * 1.5), 3)]


def test_the_mean_over_an_epoch_does_not_overflow() -> None:
    x, p = Value(0.0), Value(1.0)
    history = fit(p * x, [x], [[1.5e308] * 3], [p], SGD([p], 1e-320), epochs=1, batch_size=1)
    assert history["loss"] == [pytest.approx(1.5e308)]


def test_a_validation_that_overflows_warns_of_nothing() -> None:
    x, p = Value(0.0), Value(1.0)
    history = fit(p * x, [x], [[1.0]], [p], SGD([p], 1e-9), epochs=1, validation=[[1.5e308] * 3])
    assert history["validation"] == [math.inf]


def test_a_parameter_that_is_infinite_from_the_beginning_is_nobodys_step() -> None:
    x, p, scale = Value(0.0), Value(0.0, "p"), Value(math.inf, "scale")
    fit((p - x) ** 2 + 1 / scale, [x], [[4.0]], [p, scale], SGD([p, scale], 0.25), epochs=1)
    assert (p.data, scale.data) == (2.0, math.inf)


@pytest.mark.parametrize(("answer", "epochs"), [(True, 2), (np.float64(1.0) > 0, 2), (None, 5), (False, 5), ([1], 5), (1, 5)])
def test_true_from_on_epoch_ends_the_training(answer: Any, epochs: int) -> None:
    x, p = Value(0.0), Value(0.0, "p")
    history = fit(
        (p - x) ** 2, [x], [[4.0]], [p], SGD([p], 0.1), epochs=5,
        on_epoch=lambda epoch, history, optimizer: answer if epoch == 1 else None,
    )  # fmt: skip
    assert len(history["loss"]) == epochs


def test_on_epoch_may_set_the_parameters() -> None:
    x, p = Value(0.0), Value(0.0, "p")

    def bound(epoch: int, history: Any, optimizer: Any) -> None:
        p.data = min(p.data, 1.5)

    history = fit((p - x) ** 2, [x], [[4.0]], [p], SGD([p], 0.25), epochs=3, on_epoch=bound)
    assert p.data == 1.5
    assert history["loss"] == [16.0, 6.25, 6.25]


def test_on_epoch_hears_the_warnings_of_its_own_numbers() -> None:
    x, p = Value(0.0), Value(0.0, "p")
    with pytest.raises(RuntimeWarning, match="divide by zero"):
        fit((p - x) ** 2, [x], [[4.0]], [p], SGD([p], 0.1), on_epoch=lambda *_: np.float64(1.0) / np.float64(0.0))


def test_what_on_epoch_raises_comes_out_with_the_parameters_of_that_epoch() -> None:
    x, p = Value(0.0), Value(0.0, "p")

    def stop(*_: Any) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        fit((p - x) ** 2, [x], [[4.0]], [p], SGD([p], 0.25), on_epoch=stop)
    assert p.data == 2.0


@pytest.mark.parametrize("make", [lambda ps: SGD(ps, 0.02, momentum=0.9), lambda ps: Adam(ps, 0.1)], ids=["sgd", "adam"])
def test_a_trainer_goes_on_as_one_training_would(make: Any) -> None:
    def trainer() -> tuple[Trainer, list[Any]]:
        loss, inputs, ps, data = line()
        return Trainer(loss, inputs, ps, make(ps), seed=3), data

    (whole, data), (parted, _) = trainer(), trainer()
    whole.fit(data, epochs=6, batch_size=3)
    parted.fit(data, epochs=2, batch_size=3)
    program = parted.program
    history = parted.fit(data, epochs=4, batch_size=3)
    assert history == whole.history
    assert len(history["loss"]) == 6
    assert numbers(parted.parameters) == numbers(whole.parameters)
    assert parted.program is program


def test_the_epochs_of_a_trainer_are_counted_on() -> None:
    loss, inputs, ps, data = line()
    trainer, seen = Trainer(loss, inputs, ps, SGD(ps, 0.01)), list[int]()
    for _ in range(2):
        trainer.fit(data, epochs=2, on_epoch=lambda epoch, history, optimizer: seen.append(epoch))
    assert seen == [0, 1, 2, 3]


def test_inputs_and_parameters_may_be_arrays_of_values() -> None:
    w, x, y = np.array([Value(0.0), Value(0.0)]), np.array([Value(0.0), Value(0.0)]), Value(0.0)
    points = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    fit((tl.dot(w, x) - y) ** 2, [x, y], [points, points @ [2.0, -1.0]], w, SGD(w, 0.5), epochs=200)
    assert numbers(list(w)) == pytest.approx([2.0, -1.0])


def test_points_may_be_arrays_of_the_shape_of_an_input() -> None:
    image, weights = tl.values(np.zeros((2, 3))), tl.values(np.zeros((2, 3)), "w")
    rng = np.random.default_rng(1)
    images, truth = rng.normal(size=(30, 2, 3)), rng.normal(size=(2, 3))
    targets, y = (images * truth).sum((1, 2)), Value(0.0)
    loss = ((image * weights).sum() - y) ** 2
    fit(loss, [image, y], [images, targets], weights, Adam(weights, 0.05), epochs=500)
    np.testing.assert_allclose(tl.data_of(weights), truth, atol=1e-4)
    with pytest.raises(ValueError, match=r"expected rows of shape \(2, 3\) in data\[0\], got \(6,\) in row 0"):
        fit(loss, [image, y], [images.reshape(30, 6), targets], weights, Adam(weights), epochs=1)


def test_the_last_letter_is_learned_from_its_index() -> None:
    letters, x, target = Embedding(3, 2, seed=0), Value(0.0), Value(0.0)
    out = MLP(2, [3], seed=0)
    ps = [*letters.parameters(), *out.parameters()]
    loss = tl.cross_entropy(out(letters(x)), one_hot(target, 3))
    history = fit(loss, [x, target], [[0, 1, 2], [1, 2, 0]], ps, Adam(ps, 0.1), epochs=100)
    assert history["loss"][-1] < 0.02
    assert [tl.argmax(out(letters(i))) for i in range(3)] == [1, 2, 0]


def test_parameters_that_the_loss_does_not_use_are_warned_of_once() -> None:
    loss, inputs, ps, data = line()
    more = [*ps, Value(5.0, "c"), Value(6.0, "d")]
    with pytest.warns(UserWarning, match="does not use") as caught:
        fit(loss, inputs, data, more, SGD(more, 0.1), epochs=3)
    assert [str(each.message) for each in caught] == [
        "fit: the loss does not use 2 of the 4 parameters, the first of them Value(5.0, 'c')"
    ]
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="does not use") as caught:
        Trainer(loss, inputs, more, SGD(more, 0.1))
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


@pytest.mark.parametrize("rows", [[[[1.0, 2.0], [3.0]]], [[[1.0, 2.0], [3.0, 4.0]], [[5.0], [6.0, 7.0]]]])
def test_a_row_that_is_no_array_is_named(rows: list[Any]) -> None:
    x, w = tl.values(np.zeros((2, 2)), "x"), Value(1.0, "w")
    got = f"got lists of several lengths in row {len(rows) - 1}"
    with pytest.raises(ValueError, match=rf"^fit: expected rows of shape \(2, 2\) in data\[0\], {got}$"):
        fit((w - x[0, 0]) ** 2, [x], [rows], [w], SGD([w]))


NAN = math.nan
A, Y, W = [[0.0, 1.0], [2.0, 3.0]], [1.0, 2.0], [Value(1.0, "p")]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: fit(W[0] ** 2, [], [], W, SGD(W)),
            ValueError,
            "fit: expected at least one input, got none; without data, record, call backward and step in a loop",
        ),
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
        (lambda: trained(batch_size=1.5), TypeError, "fit: expected batch_size to be a whole number >= 1, got 1.5"),
        (lambda: trained(epochs=-1), ValueError, "fit: expected epochs to be a whole number >= 0, got -1"),
        (lambda: trained(epochs=True), TypeError, "fit: expected epochs to be a whole number >= 0, got True"),
        (lambda: trained(patience=0), ValueError, "fit: expected patience to be a whole number >= 1, got 0"),
        (lambda: trained(max_norm=0), ValueError, "fit: expected max_norm > 0, got 0"),
        (lambda: trained(optimizer=SGD(W, 0.1)), ValueError, "fit: 1 parameters of the optimizer are not among the parameters to train"),
        (lambda: trained(max_norm="1"), TypeError, "fit: expected max_norm > 0, got '1'"),
        (lambda: trained(optimizer=None), TypeError, "fit: expected an Optimizer, got NoneType"),
        (lambda: trained(parameters=W[0]), TypeError, "fit: expected a list of Values as the parameters, got Value"),
        (lambda: trained(parameters=[]), ValueError, "fit: expected parameters, each once, got none"),
    ],
)  # fmt: skip
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
