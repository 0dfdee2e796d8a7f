"""Training from the same parts: neurons made of `dot`, optimizers, and a plain loop over the compiled program.

The engine knows nothing of this. A network is lists of leaves and a function that records; an optimizer is a rule
that takes numbers and gradients to new numbers.
"""

from __future__ import annotations

import importlib
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from ..arrays.kernels import kernels
from ..arrays.program import Program, compile
from ..checks import number
from ..op import OPS, constant
from ..ops import dot
from ..value import Value, node_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Input = Value | Sequence[Value]
    Numbers = Sequence[Any] | Array


class Neuron:
    """activation(w · x + b), a function of `n_in` numbers: `activation` is an operation's name, or None for a line.

    The weights are normally distributed, of variance 2/n_in before relu (He et al. 2015), else 2/(n_in + n_out), where
    `n_out` is the number of neurons beside each other (Glorot & Bengio 2010). `seed` is one of NumPy's `default_rng`.

    >>> neuron = Neuron(2, label="n")
    >>> neuron.parameters()[0].label, neuron([0.5, -1.0]).label
    ('n.w1', 'n.h')
    """

    def __init__(
        self, n_in: int, activation: str | None = "relu", *, n_out: int = 1, seed: Any = 0, label: str = "n"
    ) -> None:
        self.activation, self.label = None if activation is None else OPS.get(activation), label
        if activation is not None and (self.activation is None or self.activation.arity != 1):
            advice = "take 'relu', 'tanh', 'sigmoid' or another operation of one argument, or None"
            raise ValueError(f"Neuron: there is no activation {activation!r}; {advice}")
        n_in, n_out = _whole("Neuron", "n_in", n_in), _whole("Neuron", "n_out", n_out)
        variance = 2 / n_in if activation == "relu" else 2 / (n_in + n_out)
        draws = kernels().np.random.default_rng(seed).normal(0.0, math.sqrt(variance), n_in)
        self.w = [Value(x, f"{label}.w{i}") for i, x in enumerate(draws, 1)]
        self.b = Value(0.0, f"{label}.b")

    def __call__(self, xs: Numbers) -> Value:
        """What it makes of Values or numbers, one for each weight."""
        if len(xs) != len(self.w):
            raise ValueError(f"{self.label}: expected {len(self.w)} inputs, got {len(xs)}")
        # As `dot(self.w, xs)` and `self.activation(z)`, which would ask each argument again what it is.
        z: Value = Value.apply(dot, (*self.w, *xs)) + self.b
        out = z if self.activation is None else Value.apply(self.activation, (z,))
        return out.named(f"{self.label}.h")

    def parameters(self) -> list[Value]:
        """The weights and the bias."""
        return [*self.w, self.b]


class Layer:
    """`n_out` neurons with the same inputs: a function from a sequence of numbers to a list of Values.

    >>> [h.label for h in Layer(2, 3)([0.5, -1.0])]
    ['n1.h', 'n2.h', 'n3.h']
    """

    def __init__(
        self, n_in: int, n_out: int, activation: str | None = "relu", *, seed: Any = 0, label: str = "n"
    ) -> None:
        rng = kernels().np.random.default_rng(seed)
        which = range(1, _whole("Layer", "n_out", n_out) + 1)
        self.neurons = [Neuron(n_in, activation, n_out=n_out, seed=rng, label=f"{label}{j}") for j in which]

    def __call__(self, xs: Numbers) -> list[Value]:
        """What each neuron makes of Values or numbers."""
        # One constant for a number, not one for each neuron.
        nodes = [x if isinstance(x, Value) else node_of(number(x), constant, (), ()) for x in xs]
        return [neuron(nodes) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        """Those of each neuron in turn."""
        return [parameter for neuron in self.neurons for parameter in neuron.parameters()]


class MLP:
    """Layers in a row, the last one without activation: a Value from a sequence of numbers, or a list of Values.

    Neuron 2 of layer 1 labels its parameters and its result n1,2.w1, n1,2.b and n1,2.h, so that
    `draw(loss, group=".")` has one box for it.

    >>> net = MLP(2, [16, 16, 1])
    >>> len(net.parameters()), net([0.5, -1.0]).label
    (337, 'n3,1.h')
    """

    def __init__(self, n_in: int, n_out: Sequence[int], activation: str | None = "relu", *, seed: Any = 0) -> None:
        if isinstance(n_out, int) or not len(n_out):
            raise ValueError(f"MLP: expected the sizes of the layers, such as [16, 1], got {n_out!r}")
        rng, last = kernels().np.random.default_rng(seed), len(n_out)
        self.layers = [
            Layer(n_above, n, None if i == last else activation, seed=rng, label=f"n{i},")
            for i, (n_above, n) in enumerate(zip([n_in, *n_out], n_out, strict=False), 1)
        ]

    def __call__(self, xs: Numbers) -> Any:
        """What the last layer makes of what the layer before it makes of …"""
        for layer in self.layers:
            xs = layer(xs)
        return xs[0] if len(xs) == 1 else xs

    def parameters(self) -> list[Value]:
        """Those of each layer in turn."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]


class Optimizer:
    """What takes the parameters down the gradient: a subclass says by which rule, in `update`."""

    def __init__(self, parameters: Iterable[Value], lr: float, weight_decay: float = 0.0) -> None:
        self.parameters = _leaves(type(self).__name__, parameters)
        self.lr = self._number("a learning rate > 0", lr, least=math.ulp(0.0))
        self.weight_decay = self._number("a weight decay >= 0", weight_decay)

    def _number(self, what: str, x: Any, least: float = 0.0, below: float = math.inf) -> float:
        message = f"{type(self).__name__}: expected {what}, got {x!r}"
        if not hasattr(x, "__float__"):
            raise TypeError(message)
        if not least <= float(x) < below:
            raise ValueError(message)
        return float(x)

    def update(self, data: Array, grad: Array) -> Array:
        """The new numbers of the parameters, from their numbers and gradients."""
        raise NotImplementedError

    def step(self) -> None:
        """Replace the `data` of each parameter, by its `grad`."""
        np = kernels().np
        data, grad = np.array([p.data for p in self.parameters]), np.array([p.grad for p in self.parameters])
        with np.errstate(all="ignore"):
            _write(self.parameters, self.update(data, grad))

    def zero_grad(self) -> None:
        """Set the `grad` of each parameter to 0."""
        for parameter in self.parameters:
            parameter.grad = 0.0


class SGD(Optimizer):
    """Gradient descent: v ← momentum·v + ∂loss/∂p + weight_decay·p, then p ← p - lr·v.

    >>> p = Value(1.0)
    >>> (p * p).backward()
    >>> SGD([p], lr=0.25).step()
    >>> p.data
    0.5
    """

    def __init__(
        self, parameters: Iterable[Value], lr: float = 0.01, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = self._number("a momentum from 0 to below 1", momentum, below=1.0)
        self.velocity: Array | float = 0.0

    def update(self, data: Array, grad: Array) -> Array:
        """The new numbers of the parameters, from their numbers and gradients."""
        self.velocity = self.momentum * self.velocity + (grad + self.weight_decay * data)
        return data - self.lr * self.velocity


class Adam(Optimizer):
    """Steps of the size lr: the mean of the gradients over the root of that of their squares (Kingma & Ba 2015).

    The means forget at the rates `betas` and are corrected for having begun at 0; weight decay adds to the gradient.

    >>> p = Value(1.0)
    >>> (p * p).backward()
    >>> Adam([p], lr=0.25).step()
    >>> round(p.data, 6)
    0.75
    """

    decoupled, usual_decay = False, 0.0

    def __init__(
        self, parameters: Iterable[Value], lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parameters, lr, self.usual_decay if weight_decay is None else weight_decay)
        self.betas = tuple(self._number("a beta from 0 to below 1", beta, below=1.0) for beta in betas)
        self.eps = self._number("an eps >= 0", eps)
        self.steps = 0
        self.mean: Array | float = 0.0
        self.square: Array | float = 0.0

    def update(self, data: Array, grad: Array) -> Array:
        """The new numbers of the parameters, from their numbers and gradients."""
        if self.decoupled:
            data = data * (1 - self.lr * self.weight_decay)
        else:
            grad = grad + self.weight_decay * data
        first, second = self.betas
        self.steps += 1
        self.mean = first * self.mean + (1 - first) * grad
        self.square = second * self.square + (1 - second) * grad * grad
        root = (self.square / (1 - second**self.steps)) ** 0.5
        return data - self.lr / (1 - first**self.steps) * self.mean / (root + self.eps)


class AdamW(Adam):
    """Adam with the weight decay apart from the gradient: first p ← p - lr·weight_decay·p (Loshchilov & Hutter 2019).

    The decay is 0.01 unless it is given.

    >>> p = Value(1.0)
    >>> AdamW([p], lr=0.5, weight_decay=0.5).step()
    >>> p.data
    0.75
    """

    decoupled, usual_decay = True, 0.01


def clip_grad_norm(parameters: Iterable[Value], max_norm: float) -> float:
    """Shorten the gradient, all `grad` together, to `max_norm` if it is longer; gives its length before.

    >>> p, q = Value(0.0), Value(0.0)
    >>> p.grad, q.grad = 3.0, 4.0
    >>> clip_grad_norm([p, q], 2.5), p.grad, q.grad
    (5.0, 1.5, 2.0)
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: expected a norm > 0, got {max_norm!r}")
    parameters = list(parameters)
    norm = math.hypot(*(parameter.grad for parameter in parameters))
    for parameter in parameters if norm > max_norm else ():
        parameter.grad *= max_norm / norm
    return norm


def _leaves(name: str, parameters: Iterable[Value]) -> list[Value]:
    """The parameters as a list, if they can be trained."""
    found = list(parameters)
    for parameter in found:
        if not isinstance(parameter, Value):
            raise TypeError(f"{name}: expected Values as the parameters, got {type(parameter).__name__}")
        if parameter.op is not None:
            raise ValueError(f"{name}: expected leaves as the parameters, got the result of {parameter.op.name}")
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name}: expected parameters, each once, got {'one twice' if found else 'none'}")
    return found


def _write(parameters: Sequence[Value], numbers: Array) -> None:
    for parameter, x in zip(parameters, numbers.tolist(), strict=True):
        parameter.data = x


def _whole(name: str, what: str, x: Any, least: int = 1) -> int:
    if isinstance(x, bool) or not hasattr(x, "__index__") or x < least:
        raise ValueError(f"{name}: expected {what} to be a whole number >= {least}, got {x!r}")
    return int(x)


def fit(
    loss: Value, inputs: Sequence[Input], data: Sequence[Any], parameters: Iterable[Value], optimizer: Optimizer,
    epochs: int = 100, batch_size: int | None = None, validation: Sequence[Any] | None = None, *, seed: Any = 0,
    patience: int | None = None, max_norm: float | None = None, progress: bool | None = None,
) -> dict[str, list[float]]:  # fmt: skip
    """Train on whole data with the loss of one point, recorded once; gives the losses of each epoch as lists.

    `loss` depends on `inputs`, as `compile` takes them; `data` and `validation` hold an array for each. Batches are
    shuffled by `seed`. "loss" is the mean over an epoch's steps, each before its step, "validation" after the epoch.

    >>> x, y, w, b = Value(0.0), Value(0.0), Value(0.0, "w"), Value(0.0, "b")
    >>> history = fit((w * x + b - y) ** 2, [x, y], [[0, 1, 2], [1, 3, 5]], [w, b], SGD([w, b], 0.2, 0.5), epochs=200)
    >>> round(w.data, 6), round(b.data, 6), len(history["loss"])
    (2.0, 1.0, 200)

    With `validation`, or with `patience`, which stops after so many epochs that bring nothing better, the parameters
    of the best epoch are kept, else the last; Ctrl-C ends the training and keeps the best. `max_norm` is for
    `clip_grad_norm`. A bar is shown with tqdm if that is installed and stderr is a terminal, or as `progress` says.

    Warns of parameters that the loss does not use. Raises ValueError for data that do not fit, or hold nan, and
    FloatingPointError where the loss becomes infinite or nan, with the parameters as they were before.
    """
    parameters = _leaves("fit", parameters)
    if max_norm is not None and not max_norm > 0:
        raise ValueError(f"fit: expected max_norm > 0, got {max_norm!r}")
    run = _Run(compile(loss, inputs), parameters, optimizer, max_norm)
    if unused := run.values[len(run.program.parameters) :]:
        which = f"{len(unused)} of the {len(parameters)} parameters, the first of them {unused[0]!r}"
        warnings.warn(f"fit: the loss does not use {which}", stacklevel=2)
    arrays = _checked("data", data, inputs)
    run.held_out = None if validation is None else _checked("validation", validation, inputs)
    size = _whole("fit", "batch_size", len(arrays[0]) if batch_size is None else batch_size)
    stop = math.inf if patience is None else _whole("fit", "patience", patience)
    run.through(arrays, size, _epochs(_whole("fit", "epochs", epochs, 0), run.history, progress), seed, stop)
    return run.history


class _Run:
    """One training, on arrays: the Values are read when it begins and written when it ends."""

    def __init__(self, program: Program, parameters: list[Value], optimizer: Optimizer, max_norm: float | None) -> None:
        np = kernels().np
        if strangers := set(optimizer.parameters).difference(parameters):
            raise ValueError(f"fit: {len(strangers)} parameters of the optimizer are not among the parameters to train")
        self.program, self.optimizer, self.max_norm = program, optimizer, max_norm
        self.values = [*dict.fromkeys([*program.parameters, *parameters])]
        place = {value: i for i, value in enumerate(self.values)}
        self.trained = np.array([place[parameter] for parameter in optimizer.parameters])
        self.gradient = np.zeros(len(self.values))  # at the end of those that the loss does not use
        self.history: dict[str, list[float]] = {"loss": [], "validation": []}
        self.held_out: list[Array] | None = None
        self.steps, self.epochs_since_best, self.best_loss = 0, 0, math.inf
        self.numbers: Array = np.array([value.data for value in self.values])
        self.best = self.measured = self.numbers
        """The parameters of the best epoch, and those that the last finite loss was measured at."""

    def through(self, arrays: list[Array], size: int, epochs: Iterator[int], seed: Any, stop: float) -> None:
        """The epochs in turn, until `stop` of them bring nothing better, or Ctrl-C; sets the parameters."""
        rng = kernels().np.random.default_rng(seed)
        try:
            with kernels().np.errstate(all="ignore"):
                for _ in epochs:
                    order = slice(None) if size >= len(arrays[0]) else rng.permutation(len(arrays[0]))
                    self.epoch([array[order] for array in arrays], size)
                    if self.epochs_since_best >= stop:
                        break
            if (self.held_out is not None or stop < math.inf) and self.best_loss < math.inf:
                self.numbers = self.best
        except KeyboardInterrupt:
            self.numbers = self.measured if self.best_loss == math.inf else self.best
        finally:
            _write(self.values, self.numbers)

    def step(self, batch: Sequence[Array]) -> float:
        """The loss, and one step down from there."""
        used = len(self.program.parameters)
        loss, self.gradient[:used] = self.program.loss_and_grad(self.numbers[:used], *batch)
        self.steps += 1
        if not math.isfinite(loss):
            self.numbers = self.measured
            advice = "the parameters are those before it; try a lower learning rate, or max_norm"
            raise FloatingPointError(f"fit: the loss is {loss!r} at step {self.steps}; {advice}")
        gradient = self.gradient[self.trained]
        if self.max_norm is not None and (norm := math.hypot(*gradient)) > self.max_norm:
            gradient *= self.max_norm / norm
        self.measured, self.numbers = self.numbers, self.numbers.copy()
        self.numbers[self.trained] = self.optimizer.update(self.measured[self.trained], gradient)
        return loss

    def epoch(self, arrays: Sequence[Array], size: int) -> None:
        """Steps through the data in batches; then, was it the best epoch?"""
        count = len(arrays[0])
        batches = [[array[i : i + size] for array in arrays] for i in range(0, count, size)]
        loss = judged = sum(self.step(batch) * len(batch[0]) for batch in batches) / count
        # That is measured before each step: it says nothing of the last step yet.
        numbers = self.measured
        if self.held_out is not None:
            _write(self.values, self.numbers)
            judged, numbers = float(self.program(*self.held_out).mean()), self.numbers
            self.history["validation"].append(judged)
        self.history["loss"].append(loss)
        self.epochs_since_best += 1
        if judged < self.best_loss:
            self.best_loss, self.best, self.epochs_since_best = judged, numbers, 0


def _epochs(count: int, history: dict[str, list[float]], progress: bool | None) -> Iterator[int]:
    """0, 1, …, with a bar if a person watches."""
    shown = progress if progress is not None else sys.stderr is not None and sys.stderr.isatty()
    try:
        tqdm = importlib.import_module("tqdm").tqdm if shown else None
    except ImportError:
        tqdm = None
    if tqdm is None:
        yield from range(count)
        return
    with tqdm(total=count, unit="epoch") as bar:
        for i in range(count):
            yield i
            bar.set_postfix({name: f"{losses[-1]:.4g}" for name, losses in history.items() if losses}, refresh=False)
            bar.update()


def _checked(name: str, data: Sequence[Any], inputs: Sequence[Input]) -> list[Array]:
    """The data as arrays of floats, if they are an array for each input, with a row for each point."""
    if len(data) != len(inputs):
        raise ValueError(f"fit: expected {len(inputs)} arrays in {name}, one for each input, got {len(data)}")
    shapes = [() if isinstance(each, Value) else (len(each),) for each in inputs]
    arrays = [_array(f"{name}[{i}]", rows, shape) for i, (rows, shape) in enumerate(zip(data, shapes, strict=True))]
    counts = [len(array) for array in arrays]
    if len(set(counts)) != 1:
        raise ValueError(f"fit: expected arrays of one length in {name}, got {' and '.join(map(str, counts))} rows")
    return arrays


def _array(name: str, rows: Any, shape: tuple[int, ...]) -> Array:
    """The rows as floats, if each has that shape and none holds nan."""
    np = kernels().np
    try:
        array: Array | None = np.asarray(rows)
    except ValueError:  # rows of several lengths
        array = None
    if array is not None and array.shape[:1] in ((), (0,)):
        raise ValueError(f"fit: expected at least one row in {name}, got {rows!r}")
    if array is None or array.shape[1:] != shape:
        i, got = next((i, np.shape(row)) for i, row in enumerate(rows) if np.shape(row) != shape)
        raise ValueError(f"fit: expected rows of shape {shape} in {name}, got {got} in row {i}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"fit: expected real numbers in {name}, got dtype {array.dtype}")
    (with_nan,) = np.isnan(array).reshape(len(array), -1).any(axis=1).nonzero()
    if len(with_nan):
        raise ValueError(f"fit: {name} holds nan in row {with_nan[0]}; leave the point out, or replace the number")
    return array.astype(float, copy=False)


def one_hot(labels: Sequence[int], classes: int) -> Array:
    """A row of probabilities for each label, 1 at its class and 0 elsewhere: targets for `cross_entropy`.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    np = kernels().np
    indices = np.asarray(labels)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise TypeError(f"one_hot: expected whole numbers, got dtype {indices.dtype} of shape {indices.shape}")
    (wrong,) = ((indices < 0) | (indices >= classes)).nonzero()
    if len(wrong):
        i = wrong[0]
        raise ValueError(f"one_hot: expected classes from 0 to {classes - 1}, got {indices[i]} in row {i}")
    rows: Array = np.eye(classes)[indices]
    return rows


def _named(parameters: Iterable[Value]) -> dict[str, list[Value]]:
    """The parameters by what their labels have before the last dot: those of a neuron together."""
    named: dict[str, list[Value]] = {}
    for parameter in parameters:
        label = parameter.label or "unnamed"
        named.setdefault(label.rpartition(".")[0] or label, []).append(parameter)
    return named


def save(parameters: Iterable[Value], path: str | PathLike[str]) -> None:
    """Write the parameters to a `.npz` file, all or nothing: an array for each neuron, named as its labels begin.

    Parameters whose labels agree up to the last dot are one array. An existing file is replaced at the end.

    >>> import tempfile
    >>> p, q = Value(1.5, "p"), Value(0.0, "p")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save([p], f"{folder}/p.npz")
    ...     load([q], f"{folder}/p.npz")
    >>> q.data
    1.5
    """
    import zipfile

    from ..files import replaced

    np = kernels().np
    with replaced(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, group in _named(_leaves("save", parameters)).items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.squeeze([parameter.data for parameter in group]))


def load(parameters: Iterable[Value], path: str | PathLike[str]) -> None:
    """Read the parameters from a file that `save` wrote; nothing in it is ever executed.

    The labels and the order must be those of saving; what else is in the file is left alone. Raises ValueError for
    another kind of file, a missing name or a wrong shape, and then changes no parameter.
    """
    from pathlib import Path

    np = kernels().np
    named, numbers = _named(_leaves("load", parameters)), []
    with Path(path).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files if name in named}
        except Exception as error:  # a damaged file can fail anywhere in zipfile and NumPy
            raise ValueError(f"load: {str(path)!r} is no .npz file that can be read ({error})") from None
    for name, group in named.items():
        if name not in arrays:
            raise ValueError(f"load: {str(path)!r} has no {name!r}; build the network as it was when it was saved")
        array, shape = arrays[name], (len(group),) if len(group) > 1 else ()
        if array.shape != shape or array.dtype.kind not in "biuf":
            got = f"{array.dtype} of shape {array.shape}"
            raise ValueError(f"load: expected {name!r} in {str(path)!r} to be float64 of shape {shape}, got {got}")
        numbers.append(array.astype(float).ravel())
    _write([parameter for group in named.values() for parameter in group], np.concatenate(numbers))
