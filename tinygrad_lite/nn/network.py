"""Neurons, layers and networks made of `dot`, and tables of numbers that are looked up.

The engine knows nothing of this. A network is lists of leaves and a function that records; it runs
on Values, numbers and every other operand.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..op import OPS, Op, Operand
from ..ops import dot, equal, sum, where
from ..support.checks import check_whole
from ..value import Value, constant_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .parameters import Array

    Numbers = Sequence[Any] | Array
    Activation = str | Callable[[Any], Any] | None

HALVED = {OPS[name] for name in ("relu", "leaky_relu", "silu", "gelu")}
"""Activations that let through about half of what comes: the weights before them are larger."""


class Neuron:
    """activation(w · x + b), a function of `n_in` numbers.

    `activation` is an operation's name, a function of one number, or None for a line. The weights
    are normally distributed, of variance 2/n_in before relu and its like (He et al. 2015), else
    2/(n_in + n_out), where `n_out` is the number of neurons beside each other (Glorot & Bengio
    2010). They are drawn anew each time; a `seed`, one of NumPy's `default_rng`, repeats them.

    >>> neuron = Neuron(2, label="n")
    >>> neuron.parameters()[0].label, neuron([0.5, -1.0]).label
    ('n.w1', 'n.h')
    """

    def __init__(
        self,
        n_in: int,
        activation: Activation = "relu",
        *,
        n_out: int = 1,
        seed: Any = None,
        label: str = "n",
    ) -> None:
        n_in = check_whole("Neuron", "n_in", n_in)
        n_out = check_whole("Neuron", "n_out", n_out)
        self.activation = _function_of(activation)
        self.label = label
        variance = 2 / n_in if self.activation in HALVED else 2 / (n_in + n_out)
        draws = np.random.default_rng(seed).normal(0.0, math.sqrt(variance), n_in)
        self.w = [Value(x, f"{label}.w{i}") for i, x in enumerate(draws, 1)]
        self.b = Value(0.0, f"{label}.b")

    def __call__(self, xs: Numbers) -> Any:
        """What it makes of Values, numbers or other operands, one for each weight."""
        if len(xs) != len(self.w):
            raise ValueError(f"{self.label}: expected {len(self.w)} inputs, got {len(xs)}")
        z = _dot(self.w, xs) + self.b
        out = z if self.activation is None else self.activation(z)
        return out.named(f"{self.label}.h") if isinstance(out, Value) else out

    def parameters(self) -> list[Value]:
        """The weights and the bias."""
        return [*self.w, self.b]


class Layer:
    """`n_out` neurons with the same inputs: a function from a sequence of numbers to a list.

    >>> [h.label for h in Layer(2, 3)([0.5, -1.0])]
    ['n1.h', 'n2.h', 'n3.h']
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: Activation = "relu",
        *,
        seed: Any = None,
        label: str = "n",
    ) -> None:
        generator = np.random.default_rng(seed)
        self.neurons = [
            Neuron(n_in, activation, n_out=n_out, seed=generator, label=f"{label}{j}")
            for j in range(1, check_whole("Layer", "n_out", n_out) + 1)
        ]

    def __call__(self, xs: Numbers) -> list[Any]:
        """What each neuron makes of Values, numbers or other operands."""
        # One constant for a number, not one for each neuron.
        operands = [x if isinstance(x, Operand) else constant_of(x) for x in xs]
        return [neuron(operands) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        """Those of each neuron in turn."""
        return [parameter for neuron in self.neurons for parameter in neuron.parameters()]


class MLP:
    """Layers in a row, the last without activation: a number from a sequence of them, or a list.

    Neuron 2 of layer 1 labels its parameters and its result n1,2.w1, n1,2.b and n1,2.h, so that
    `draw(loss, group=".")` has one box for it.

    >>> net = MLP(2, [16, 16, 1])
    >>> len(net.parameters()), net([0.5, -1.0]).label
    (337, 'n3,1.h')
    """

    def __init__(
        self,
        n_in: int,
        n_out: Sequence[int],
        activation: Activation = "relu",
        *,
        seed: Any = None,
    ) -> None:
        if not hasattr(n_out, "__len__") or not len(n_out):
            expected = "the sizes of the layers, such as [16, 1]"
            raise ValueError(f"MLP: expected {expected}, got {n_out!r}")
        generator = np.random.default_rng(seed)
        sizes = [n_in, *n_out]
        activations = [_function_of(activation)] * (len(n_out) - 1) + [None]
        self.layers = [
            Layer(sizes[i], sizes[i + 1], function, seed=generator, label=f"n{i + 1},")
            for i, function in enumerate(activations)
        ]

    def __call__(self, xs: Numbers) -> Any:
        """What the last layer makes of what the layer before it makes of …"""
        for layer in self.layers:
            xs = layer(xs)
        return xs[0] if len(xs) == 1 else xs

    def parameters(self) -> list[Value]:
        """Those of each layer in turn."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]


class Embedding:
    """A row of `width` parameters for each index from 0 to `count` - 1, a function of the index.

    The numbers are normally distributed, of variance 1; `seed` is as that of `Neuron`.

    >>> letters = Embedding(27, 2, label="letter")
    >>> [x.label for x in letters(3)]
    ['letter3.w1', 'letter3.w2']

    Of an int it gives the parameters themselves. Of a Value it records the lookup, so that
    `compile` can take the index as an input: the products of the columns with `one_hot(index,
    count)`, which a program computes as one matrix product.
    """

    def __init__(self, count: int, width: int, *, seed: Any = None, label: str = "e") -> None:
        count = check_whole("Embedding", "count", count)
        width = check_whole("Embedding", "width", width)
        draws = np.random.default_rng(seed).normal(0.0, 1.0, (count, width)).tolist()
        self.rows = [
            [Value(x, f"{label}{i}.w{j}") for j, x in enumerate(row, 1)]
            for i, row in enumerate(draws)
        ]

    def __call__(self, index: Any) -> list[Any]:
        """The parameters of an index; TypeError or ValueError if it is none."""
        if isinstance(index, Operand):
            chosen = one_hot(index, len(self.rows))
            return [dot(column, chosen) for column in zip(*self.rows, strict=True)]
        return list(self.rows[_checked_index("Embedding", index, len(self.rows))])

    def parameters(self) -> list[Value]:
        """Those of each index in turn."""
        return [parameter for row in self.rows for parameter in row]


def one_hot(labels: Any, classes: int) -> Any:
    """A row of probabilities for each label, 1 at its class and 0 elsewhere: for `cross_entropy`.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])

    Of one label that is a Value, the list of its probabilities as Values: a program then computes
    them from a label as its input, and gives nan where that is no class.

    >>> one_hot(Value(2.0), 3)
    [Value(0.0), Value(0.0), Value(1.0)]

    Raises TypeError for labels that are no whole numbers, ValueError for one that is no class.
    """
    classes = check_whole("one_hot", "classes", classes)
    if isinstance(labels, Operand):
        return _one_hot_of_operand(labels, classes)
    indices = np.asarray(labels)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        got = f"dtype {indices.dtype} of shape {indices.shape}"
        raise TypeError(f"one_hot: expected a list of whole numbers, got {got}")
    (wrong,) = ((indices < 0) | (indices >= classes)).nonzero()
    if len(wrong):
        got = f"{indices[wrong[0]]} in row {wrong[0]}"
        raise ValueError(f"one_hot: expected classes from 0 to {classes - 1}, got {got}")
    rows: Array = np.eye(classes)[indices]
    return rows


def _one_hot_of_operand(label: Any, classes: int) -> list[Any]:
    if isinstance(label, Value):  # of other operands there is no number to look at
        data = label.data
        _checked_index("one_hot", int(data) if data.is_integer() else data, classes)
    first, *others = [equal(label, i) for i in range(classes)]
    known = sum([first, *others])
    return [where(known, first, math.nan), *others]


def _checked_index(name: str, index: Any, count: int) -> int:
    """The index as an int, if it is one of a list of that length, counted from its beginning."""
    expected = f"{name}: expected an index from 0 to {count - 1}, got {index!r}"
    try:
        whole = operator.index(index)
    except TypeError:
        raise TypeError(expected) from None
    if isinstance(index, bool):
        raise TypeError(expected)
    if not 0 <= whole < count:
        raise ValueError(expected)
    return whole


def _dot(w: list[Value], xs: Numbers) -> Any:
    """dot(w, xs); of Values alone in half the time, without asking each what it is."""
    return Value.apply(dot, (*w, *xs)) if set(map(type, xs)) == {Value} else dot(w, xs)


def _function_of(activation: Activation) -> Callable[[Any], Any] | None:
    """The function of one number that an activation is given as."""
    function = OPS.get(activation) if isinstance(activation, str) else activation
    if activation is None or (callable(function) and getattr(function, "arity", 1) == 1):
        return function
    got = repr(activation.name if isinstance(activation, Op) else activation)
    advice = "take 'relu', 'tanh', 'sigmoid', a function of one number, or None"
    raise ValueError(f"Neuron: there is no activation {got}; {advice}")
