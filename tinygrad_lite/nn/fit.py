"""The loop: steps of an optimizer on batches of data, through the compiled loss of one point."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.program import compile
from ..support.checks import check_number, check_whole
from ..value import Value
from .clip import clipped
from .data import checked_arrays
from .optimizers import Optimizer, advanced
from .parameters import leaves, read, write
from .progress import bar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .optimizers import State
    from .parameters import Array
    from .progress import History

    OnEpoch = Callable[[int, History, Optimizer], Any]


def fit(
    loss: Value,
    inputs: Sequence[Any],
    data: Sequence[Any],
    parameters: Iterable[Any],
    optimizer: Optimizer,
    epochs: int = 100,
    batch_size: int | None = None,
    validation: Sequence[Any] | None = None,
    *,
    seed: Any = 0,
    max_norm: float | None = None,
    on_epoch: OnEpoch | None = None,
    patience: int | None = None,
    progress: bool | None = None,
) -> History:
    """Train with the loss of one point, recorded once; gives the losses of each epoch as lists.

    >>> from tinygrad_lite.nn import SGD
    >>> x, y, w, b = Value(0.0), Value(0.0), Value(0.0, "w"), Value(0.0, "b")
    >>> loss, data = (w * x + b - y) ** 2, [[0, 1, 2], [1, 3, 5]]
    >>> history = fit(loss, [x, y], data, [w, b], SGD([w, b], 0.2, 0.5), epochs=200)
    >>> round(w.data, 6), round(b.data, 6), len(history["loss"])
    (2.0, 1.0, 200)

    The arguments are those of `Trainer` and of its `fit`. To go on later, keep a `Trainer`.
    """
    trainer = Trainer(
        loss, inputs, parameters, optimizer, max_norm=max_norm, seed=seed, _stacklevel=3
    )
    return trainer.fit(
        data,
        epochs,
        batch_size,
        validation,
        on_epoch=on_epoch,
        patience=patience,
        progress=progress,
    )


class Trainer:
    """A loss that is compiled once, and the optimizer that takes it down; each `fit` goes on.

    `loss` is that of one point; it depends on `inputs`, as `compile` takes them, and on
    `parameters`, of which those of the optimizer are trained. Batches are shuffled by `seed`;
    `max_norm` is for `clip_grad_norm`. `history` has the losses of all epochs.

    >>> from tinygrad_lite.nn import SGD
    >>> x, w = Value(0.0), Value(0.0, "w")
    >>> trainer = Trainer((w - x) ** 2, [x], [w], SGD([w], 0.25))
    >>> trainer.fit([[4.0]], epochs=1)["loss"], w.data
    ([16.0], 2.0)
    >>> trainer.optimizer.lr = 0.5
    >>> trainer.fit([[4.0]], epochs=1)["loss"], w.data
    ([16.0, 4.0], 4.0)

    Warns of parameters that the loss does not use.
    """

    def __init__(
        self,
        loss: Value,
        inputs: Sequence[Any],
        parameters: Iterable[Any],
        optimizer: Optimizer,
        *,
        max_norm: float | None = None,
        seed: Any = 0,
        _stacklevel: int = 2,
    ) -> None:
        self.parameters = leaves("fit", parameters)
        if max_norm is not None:
            max_norm = check_number("fit", "max_norm > 0", max_norm, lambda x: x > 0)
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"fit: expected an Optimizer, got {type(optimizer).__name__}")
        if strangers := set(optimizer.parameters).difference(self.parameters):
            what = f"{len(strangers)} parameters of the optimizer"
            raise ValueError(f"fit: {what} are not among the parameters to train")
        self.program = compile(loss, inputs)
        self.inputs = [*inputs]
        if not self.inputs:
            advice = "without data, record, call backward and step in a loop"
            raise ValueError(f"fit: expected at least one input, got none; {advice}")
        self.optimizer = optimizer
        self.max_norm = max_norm
        self.history: History = {"loss": [], "validation": []}
        self.steps = 0
        self._generator = np.random.default_rng(seed)
        self._used = len(self.program.parameters)
        self._values = [*dict.fromkeys([*self.program.parameters, *self.parameters])]
        place = {value: i for i, value in enumerate(self._values)}
        self._trained = np.array([place[parameter] for parameter in optimizer.parameters])
        self._warn_of_unused(_stacklevel)

    def fit(
        self,
        data: Sequence[Any],
        epochs: int = 100,
        batch_size: int | None = None,
        validation: Sequence[Any] | None = None,
        *,
        on_epoch: OnEpoch | None = None,
        patience: int | None = None,
        progress: bool | None = None,
    ) -> History:
        """Train for so many epochs more, on an array for each input; gives the `history`.

        "loss" is the mean over an epoch's steps, each before its step, "validation" that after the
        epoch. With `validation`, an array for each input too, or with `patience`, which stops after
        so many epochs that bring nothing better, the parameters of the best epoch are kept, else
        the last; Ctrl-C ends the training and keeps the best.

        After each epoch `on_epoch(epoch, history, optimizer)` may plot, set `optimizer.lr` or a
        parameter's `data`; True ends the training. A bar is shown with tqdm if that is installed
        and stderr is a terminal, or as `progress` says.

        Raises ValueError for data that do not fit, or hold nan, and FloatingPointError where the
        loss, its gradient or a step is infinite or nan, with parameters and optimizer as they were
        before the step that led there.
        """
        arrays = checked_arrays("data", data, self.inputs)
        held_out = None
        if validation is not None:
            held_out = checked_arrays("validation", validation, self.inputs)
        size = len(arrays[0]) if batch_size is None else batch_size
        size = check_whole("fit", "batch_size", size)
        epochs = check_whole("fit", "epochs", epochs, 0)
        last = math.inf if patience is None else check_whole("fit", "patience", patience)
        _Run(self, arrays, size, held_out, last).through(epochs, on_epoch, progress)
        return self.history

    def _warn_of_unused(self, stacklevel: int) -> None:
        if unused := self._values[self._used :]:
            count = f"{len(unused)} of the {len(self.parameters)} parameters"
            what = f"{count}, the first of them {unused[0]!r}"
            warnings.warn(f"fit: the loss does not use {what}", stacklevel=stacklevel + 1)


class _Run:
    """One call of `fit`, on arrays: the Values are read when it begins and written when it ends."""

    def __init__(
        self,
        trainer: Trainer,
        arrays: list[Array],
        size: int,
        held_out: list[Array] | None,
        patience: float,
    ) -> None:
        self.trainer = trainer
        self.arrays = arrays
        self.size = size
        self.held_out = held_out
        self.patience = patience
        self.numbers = read(trainer._values)
        """Those of the Values at this moment."""
        self.measured = self.numbers
        """Those at which the last finite loss was measured: before the last step."""
        self.state: State | None = None
        """The optimizer's state then; None if there was no step yet."""
        self.best = self.numbers
        self.best_loss = math.inf
        self.since_best = 0
        self.errors = np.geterr()
        """What the caller wants of NumPy's warnings."""

    def through(self, epochs: int, on_epoch: OnEpoch | None, progress: bool | None) -> None:
        """The epochs in turn, until one of those who are asked ends them; sets the parameters."""
        history = self.trainer.history
        try:
            with bar_of(epochs, progress) as show, np.errstate(all="ignore"):
                for _ in range(epochs):
                    self.epoch()
                    show(history)
                    if self.told(on_epoch) or self.since_best >= self.patience:
                        break
            self.end()
        except KeyboardInterrupt:
            self.numbers = self.measured if self.best_loss == math.inf else self.best
        finally:
            write(self.trainer._values, self.numbers)

    def told(self, on_epoch: OnEpoch | None) -> bool:
        """Whether `on_epoch` ends the training; the Values are there for it to read and to set."""
        if on_epoch is None:
            return False
        trainer = self.trainer
        write(trainer._values, self.numbers)
        with np.errstate(**self.errors):
            answer = on_epoch(len(trainer.history["loss"]) - 1, trainer.history, trainer.optimizer)
        self.numbers = read(trainer._values)
        return isinstance(answer, (bool, np.bool_)) and bool(answer)

    def epoch(self) -> None:
        """Steps through the data in batches; then, was it the best epoch?"""
        history = self.trainer.history
        count = len(self.arrays[0])
        loss = sum(self.step(batch) * (len(batch[0]) / count) for batch in self.batches())
        judged = loss
        numbers = self.measured  # the loss says nothing of the last step yet
        if self.held_out is not None:
            write(self.trainer._values, self.numbers)
            judged = float(self.trainer.program(*self.held_out).mean())
            numbers = self.numbers
            history["validation"].append(judged)
        history["loss"].append(loss)
        self.since_best += 1
        if math.isfinite(judged) and judged < self.best_loss:
            self.best = numbers
            self.best_loss = judged
            self.since_best = 0

    def batches(self) -> Iterator[list[Array]]:
        """The points in a new order, so many at a time; all of them in theirs."""
        count = len(self.arrays[0])
        if self.size >= count:
            yield self.arrays
            return
        order = self.trainer._generator.permutation(count)
        shuffled = [array[order] for array in self.arrays]
        for i in range(0, count, self.size):
            yield [array[i : i + self.size] for array in shuffled]

    def step(self, batch: list[Array]) -> float:
        """The loss, and one step down from there."""
        trainer = self.trainer
        trainer.steps += 1
        loss, gradient = self.loss_and_grad(batch, "at")
        gradient = gradient[trainer._trained]
        if trainer.max_norm is not None:
            gradient, _ = clipped(gradient, trainer.max_norm)
        self.measured = self.numbers
        state = trainer.optimizer.state()
        data = self.measured[trainer._trained]
        trained = advanced(trainer.optimizer, data, gradient, "fit", trainer.steps)
        self.state = state
        self.numbers = self.measured.copy()
        self.numbers[trainer._trained] = trained
        return loss

    def loss_and_grad(self, batch: list[Array], when: str) -> tuple[float, Array]:
        """At the numbers of this moment; if they led to no finite loss, the last step is undone."""
        trainer = self.trainer
        loss, used = trainer.program.loss_and_grad(self.numbers[: trainer._used], *batch)
        if not math.isfinite(loss):
            self.numbers = self.measured
            if self.state is not None:
                trainer.optimizer.restore(self.state)
            now = "parameters and optimizer are as before the step that led there"
            advice = "try a lower learning rate, or max_norm"
            problem = f"the loss is {loss!r} {when} step {trainer.steps}"
            raise FloatingPointError(f"fit: {problem}; {now}; {advice}")
        unused = len(trainer._values) - trainer._used
        return loss, np.concatenate([used, np.zeros(unused)]) if unused else used

    def end(self) -> None:
        """The best numbers, if that was asked for; else the last, whose loss is not known yet."""
        judges = self.held_out is not None or self.patience < math.inf
        if judges and self.best_loss < math.inf:
            self.numbers = self.best
        elif self.state is not None:
            first = [array[: self.size] for array in self.arrays]
            self.loss_and_grad(first, "after")
