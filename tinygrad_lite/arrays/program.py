"""`compile`: a recorded graph of scalars, replayed over arrays at the speed of arrays.

From Values to numbers there are a few passes, each a function from one thing that prints to the
next:

1. `scalars.py` writes the graph down as lists, and finds the sums of products that are rows of
   matrix products (`with_products`).
2. `roll.py` rolls it up (`rolled`): alike scalars become rows of one array. What comes out is a
   `Graph` of `Rows` (`rows.py`), NumPy functions of arrays; `simplify.py` knows what is equal to
   one and shorter.
3. `answers.py` says what is wanted of that graph: values, gradients, totals, directional
   derivatives. For derivatives `derive.py` runs the table's rules on Rows, on the way back
   (`adjoints`) or forth (`tangents`), which adds Rows.
4. `place.py` gives every node its place in memory: `homes`, `last_uses`, `allocated`.
5. `instruct.py` writes the instructions down (`planned`), a `Plan` (`plan.py`).
6. `run.py` carries it out block by block: the rows of a block stay in the cache, and a result is
   written where the caller wants it. `points.py` lays the points of a call along one axis, and
   gives the results their shapes.

The graph of step 2 is made once; `prepared.py` makes a plan when its answer is first asked for, and
kept when it is whole. Nothing else changes in a Program, so that threads may share it and an
interrupt leaves it as it was. Phases part what is done once a call (what depends on parameters
alone), at each point, and once from sums over the points.

Results follow IEEE 754: inf and nan outside of the domain, never an exception or a warning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..support.checks import check_whole, listed
from ..value import Value
from . import answers, dask
from .answers import Kind, parted
from .checks import check_graph, check_parameters, shape_of
from .directions import along, columns, lost, moved_forwards
from .kernels import np, packed, uncollected
from .points import Group, Points, Shape, check_count, real_numbers
from .prepared import Plans
from .roll import rolled
from .run import Replayed, Run


class Program:
    """A recorded graph that evaluates over arrays, and differentiates.

    Called with one array for each input, it gives the output at every point: arrays broadcast as in
    NumPy, a list of k inputs is an array of shape (…, k). Other leaves are parameters, whose `data`
    is read at each call. With `threads`, blocks of points are worked on in parallel; sums may then
    differ in the last bits from those of one thread. `print` shows the instructions, `len` counts
    them. A Program can be pickled, and threads may call it at once.

    >>> a, b = Value(2.0), Value(1.0)
    >>> program = compile(a * b + a, [a, b])
    >>> program([1.0, 2.0, 3.0], 10.0)
    array([11., 22., 33.])
    """

    def __init__(
        self, nodes: Sequence[Value], outputs: Sequence[Value], groups: Sequence[Sequence[Value]],
        tails: Sequence[Shape], dtype: Any = float, *,
        several: bool = False, parameters: Sequence[Value] | None = None,
    ) -> None:  # fmt: skip
        self._dtype = np().dtype(dtype)
        self._several = several
        self._groups = [
            Group(tail, None if tail else group[0].label)
            for group, tail in zip(groups, tails, strict=True)
        ]
        with uncollected():
            graph, self.parameters = rolled(nodes, outputs, groups, [*tails], parameters)
            """The leaves that are no inputs."""
        self._plans = Plans(graph)

    def __call__(self, *arrays: Any, threads: int = 1, out: Any = None) -> Any:
        """The output at each point; a list of arrays if there are several outputs.

        `out`: the array for it, or a list of arrays, of the right shape, contiguous, or an input's.
        """
        wanted = None if out is None else [*out] if self._several else [out]
        values = self._results(answers.values, arrays, threads, out=wanted)
        return values if self._several else values[0]

    def value_and_grad(self, *arrays: Any, threads: int = 1) -> tuple[Any, Any]:
        """The output, and ∂output/∂input in each input's shape, summed where it was broadcast.

        With several outputs, a list of outputs and a list of such lists, one for each output.

        >>> x = Value(1.0)
        >>> compile(x**3, [x]).value_and_grad([1.0, 2.0])
        (array([1., 8.]), [array([ 3., 12.])])
        """
        results = self._results(answers.gradients, arrays, threads)
        count = len(self._outputs)
        values, gradients = results[:count], parted(results[count:], count)
        return (values, gradients) if self._several else (values[0], gradients[0])

    def jvp(
        self, arrays: Sequence[Any], directions: Sequence[Any], *, threads: int = 1
    ) -> tuple[Any, Any]:
        """The output, and how it moves where each input moves as its direction says.

        Directions are arrays like those of the inputs, and broadcast with them. A 0 in them is no
        change at all: nothing flows from there, not even where a slope is infinite.

        >>> x, y = Value(1.0), Value(2.0)
        >>> compile(x * y, [x, y]).jvp([[1.0, 2.0], 3.0], [1.0, 0.5])
        (array([3., 6.]), array([3.5, 4. ]))
        """
        check_count("arrays", arrays, self._groups)
        check_count("directions", directions, self._groups)
        more = {"directions": self._groups}
        results = self._results(answers.directional, [*arrays, *directions], threads, **more)
        values, moved = parted(results, 2)
        if any(lost(moved, values)):
            slopes = parted(self._results(answers.slopes, arrays, threads), len(values))
            moved = along(slopes, directions, self._groups, moved)
        return (values, moved) if self._several else (values[0], moved[0])

    def jacobian(self, *arrays: Any, threads: int = 1) -> Any:
        """∂output/∂input at each point: an array for each input, of shape points, or (points…, k).

        With several outputs, a list of such lists. Of many outputs it is computed forwards, of few
        backwards.

        >>> x, y = Value(1.0), Value(2.0)
        >>> compile([x * y, x + y], [[x, y]]).jacobian([3.0, 4.0])
        [[array([4., 3.])], [array([1., 1.])]]
        """
        moved = moved_forwards(self, answers.directional, arrays, self._groups, threads, None)
        if moved is not None:
            return [columns(each, self._groups) for each in moved]
        found = self._results(answers.slopes, arrays, threads)
        return parted(found, len(self._outputs)) if self._several else found

    def values_at(self, numbers: Any, *arrays: Any, threads: int = 1) -> Any:
        """What a call gives, with `numbers` in place of the `data` of `parameters`.

        With `jacobian_at` it is what `scipy.optimize.least_squares` takes, of a program of one
        residual: `least_squares(program.values_at, start, program.jacobian_at, args=(X, Y))`.
        """
        values = self._results(answers.values, arrays, threads, self._checked(numbers))
        return values if self._several else values[0]

    def jacobian_at(self, numbers: Any, *arrays: Any, threads: int = 1) -> Any:
        """∂output/∂parameter at each point, of shape (points…, parameters), at given numbers.

        With several outputs, a list of such arrays.

        >>> w, b, x = Value(3.0), Value(1.0), Value(0.0)
        >>> compile(w**2 * x + b, [x], parameters=[w, b]).jacobian_at([5.0, 1.0], [1.0, 2.0])
        array([[10.,  1.],
               [20.,  1.]])
        """
        numbers, groups = self._checked(numbers), [Group((len(self.parameters),))]
        kind = answers.parameter_directional
        moved = moved_forwards(self, kind, arrays, groups, threads, numbers)
        if moved is None:
            found = self._results(answers.parameter_slopes, arrays, threads, numbers)
        else:
            found = [columns(each, groups)[0] for each in moved]
        return found if self._several else found[0]

    def backward(self, *arrays: Any, reduction: str = "mean", threads: int = 1) -> float:
        """The mean or sum of the output over the points; adds its derivatives to the parameters.

        >>> w, x = Value(3.0), Value(1.0)
        >>> compile(w * x, [x]).backward([1.0, 2.0, 6.0]), w.grad
        (9.0, 3.0)

        Of no points the sum is 0 and the mean nan, and no `grad` changes.
        """
        loss, gradient = self.loss_and_grad(
            self._numbers(), *arrays, reduction=reduction, threads=threads
        )
        # A memoryview makes floats as they are asked for: faster than a list, for many parameters.
        for parameter, slope in zip(self.parameters, memoryview(gradient), strict=True):
            parameter.grad += slope
        return loss

    def loss_and_grad(
        self, numbers: Any, *arrays: Any, reduction: str = "mean", threads: int = 1
    ) -> tuple[float, Any]:
        """What `backward` does, with `numbers` for `parameters`; no Value is read or changed.

        Gives the loss and its derivatives, an array of shape (parameters,). Optimizers of other
        libraries take this as it stands: `scipy.optimize.minimize(program.loss_and_grad, start, (X,
        Y), jac=True)`.

        >>> w, x = Value(3.0), Value(1.0)
        >>> compile(w * x, [x]).loss_and_grad([5.0], [1.0, 2.0, 6.0])
        (15.0, array([3.]))
        """
        if reduction not in ("mean", "sum"):
            raise ValueError(f"program: expected reduction 'mean' or 'sum', got {reduction!r}")
        if self._several:
            count = len(self._outputs)
            raise TypeError(f"program: expected one output, got {count}; compile their sum")
        numbers = self._checked(numbers)
        _, totals, count = self._replayed(answers.totals, arrays, threads, numbers)
        if totals is None:  # of no points
            return math.nan if reduction == "mean" else 0.0, np().zeros(numbers.shape)
        with np().errstate(all="ignore"):
            totals = totals.astype(float) / (count if reduction == "mean" else 1)
        return float(totals[0]), totals[1:]

    def __len__(self) -> int:
        return sum([len(code.names) for code in self._plans.of(answers.values).plan.code])

    def __str__(self) -> str:
        return f"{repr(self)[1:-1]}\n{self._plans.of(answers.values).plan}"

    def __repr__(self) -> str:
        counts = len(self._groups), len(self.parameters), len(self._outputs)
        named = zip(counts, ("input", "parameter", "output"), strict=True)
        counted = [f"{count} {name}{'s' * (count != 1)}" for count, name in named]
        return f"<Program: {', '.join(counted)}, {self._dtype}>"

    @property
    def _outputs(self) -> Sequence[Any]:
        return self._plans.rolled.outputs

    def _numbers(self) -> Any:
        return packed([parameter.data for parameter in self.parameters])

    def _checked(self, numbers: Any) -> Any:
        found = real_numbers("numbers", numbers).astype(float, copy=False)
        if found.shape != (len(self.parameters),):
            shape = f"({len(self.parameters)},)"
            raise ValueError(f"program: expected numbers of shape {shape}, got {found.shape}")
        return found

    # Answers

    def _results(
        self, kind: Kind, arrays: Sequence[Any], threads: int, numbers: Any = None, **more: Any
    ) -> list[Any]:
        return self._replayed(kind, arrays, threads, numbers, **more).results

    def _replayed(
        self, kind: Kind, arrays: Sequence[Any], threads: int, numbers: Any = None, *,
        directions: Sequence[Group] = (), out: Sequence[Any] | None = None,
    ) -> Replayed:  # fmt: skip
        """What a call of a kind gives. This is the one seam for what schedules calls elsewhere."""
        check_whole("program", "threads", threads)
        numbers = self._numbers() if numbers is None else numbers
        if dask.is_lazy(arrays):
            return Replayed(*dask.replayed(self, kind, arrays, threads, numbers, out))
        return self._computed(kind, arrays, threads, numbers, directions=directions, out=out)

    def _computed(
        self, kind: Kind, arrays: Sequence[Any], threads: int, numbers: Any, *,
        directions: Sequence[Group] = (), out: Sequence[Any] | None = None,
    ) -> Replayed:  # fmt: skip
        """What arrays of NumPy give."""
        points = Points(arrays, [*self._groups, *directions])
        plan, forms, spare = self._plans.of(kind)
        results = points.results(forms, self._dtype, out)
        totals = Run(plan, spare, points, results, numbers, self._dtype).run(threads)
        return Replayed(points.shaped(results, forms, out), totals, points.count)


def compile(
    output: Any, inputs: Sequence[Any], *,
    dtype: Any = float, parameters: Sequence[Value] | None = None,
) -> Program:  # fmt: skip
    """The Program that computes an output, or several, from arrays in place of the inputs.

    Each input is a leaf, or a list or an array of leaves: a list of k takes an array of shape
    (…, k). All other leaves are parameters: in the order of `parameters`, which then has to name
    all of them, or in the program's own.

    >>> w, x = Value(3.0), Value(2.0)
    >>> print(compile(w * x + 1, [x]))
    Program: 1 input, 1 parameter, 1 output, float64
    at each point:
      r1 = multiply(u0, r0)
      r2 = add(r1, 1)

    Raises ValueError for a graph that was recorded through an `if` on what depends on its inputs:
    `vectorize` such a function.
    """
    several = bool(shape_of(output))
    outputs: list[Any] = [*output] if several else [output]
    if not shape_of(inputs):
        raise TypeError(f"compile: expected the inputs in a list, got {type(inputs).__name__}")
    if (name := np().dtype(dtype).name) not in ("float64", "float32"):
        raise TypeError(f"compile: expected float64 or float32 as dtype, got {name!r}")
    tails = [shape_of(each) for each in inputs]
    pairs = zip(inputs, tails, strict=True)
    groups = [listed(x) if tail else [x] for x, tail in pairs]
    nodes = check_graph(outputs, groups)
    named = check_parameters(nodes, groups, parameters)
    return Program(nodes, outputs, groups, tails, dtype, several=several, parameters=named)
