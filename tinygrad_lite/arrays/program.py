"""`compile`: a recorded graph of scalars, replayed over arrays at the speed of arrays.

`flatten.py` writes the graph down as a `Trace` of operations; `tape.py` runs the rules of the table on it, which leaves
a `Tape` of NumPy functions; `registers.py` joins alike rows of it into one instruction; `plan.py` lays these out in
memory; `replay.py` carries them out.

A `Program` works through the points block by block: the rows of a block stay in the cache, memory is used again
after a row's last use, and a derivative that nobody asked for is never computed. Results follow IEEE 754: inf and
nan where a point leaves the domain, never an exception or a warning.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..op import constant
from ..value import Value, topological_order
from . import dask
from .flatten import flattened
from .kernels import Group, check_count, kernels
from .plan import Plan
from .replay import Points, Replay, Spare
from .tape import UNIFORM, VARYING, Trace


class Program:
    """A recorded graph that evaluates over arrays, and differentiates.

    Called with one array for each input, it gives the output at every point: arrays broadcast as in NumPy, a list of
    k inputs is an array of shape (…, k). Other leaves are parameters, whose `data` is read at each call. With
    `threads`, blocks of points are worked on in parallel; sums may then differ in the last bits from call to call.
    `print` shows the instructions, `len` counts them. A Program can be pickled, and threads may call it at once.

    >>> a, b = Value(2.0), Value(1.0)
    >>> program = compile(a * b + a, [a, b])
    >>> program([1.0, 2.0, 3.0], 10.0)
    array([11., 22., 33.])
    """

    def __init__(
        self, outputs: Sequence[Value], groups: Sequence[Sequence[Value]], lists: Sequence[bool], dtype: Any = float,
        *, several: bool = False,
    ) -> None:  # fmt: skip
        self._trace, self._dtype, self._several = Trace(), kernels().np.dtype(dtype), several
        items, self.parameters = flattened(self._trace, outputs, groups, lists)
        """The leaves that are no inputs."""
        self._groups = [
            Group(len(group), None) if is_list else Group(None, group[0].label)
            for group, is_list in zip(groups, lists, strict=True)
        ]
        self._outputs = [items[output] for output in outputs]
        self._sources = [None] * len(outputs) + [*range(len(groups))] * len(outputs)
        self._inputs = [[items[value] for value in group] for group in groups]
        self._parameter_items = [items[parameter] for parameter in self.parameters]
        self._forget()

    def _forget(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._spare = defaultdict[str, Spare](Spare)
        self._lock = threading.Lock()

    def __call__(self, *arrays: Any, threads: int = 1) -> Any:
        """The output at each point; a list of arrays if there are several outputs."""
        if dask.is_lazy(arrays):
            return dask.values(self, arrays, threads)
        values = self._results("values", arrays, threads)
        return values if self._several else values[0]

    def value_and_grad(self, *arrays: Any, threads: int = 1) -> tuple[Any, Any]:
        """The output, and for each input ∂output/∂input in that input's shape, summed where the input was broadcast.

        With several outputs, a list of outputs and a list of such lists, one for each output.

        >>> x = Value(1.0)
        >>> compile(x**3, [x]).value_and_grad([1.0, 2.0])
        (array([1., 8.]), [array([ 3., 12.])])
        """
        if dask.is_lazy(arrays):
            return dask.value_and_grad(self, arrays, threads)
        results = iter(self._results("gradients", arrays, threads))
        values = [next(results) for _ in self._outputs]
        gradients = [[next(results) for _ in arrays] for _ in self._outputs]
        return (values, gradients) if self._several else (values[0], gradients[0])

    def backward(self, *arrays: Any, reduction: str = "mean", threads: int = 1) -> float:
        """The mean or the sum of the output over the points; its derivatives are added to the parameters' `grad`.

        >>> w, x = Value(3.0), Value(1.0)
        >>> compile(w * x, [x]).backward([1.0, 2.0, 6.0]), w.grad
        (9.0, 3.0)

        Of no points the sum is 0 and the mean nan, and no `grad` changes.
        """
        loss, gradient = self.loss_and_grad(self._numbers(), *arrays, reduction=reduction, threads=threads)
        # A memoryview makes its floats as they are asked for: faster than a list of them, for many parameters.
        for parameter, slope in zip(self.parameters, memoryview(gradient), strict=True):
            parameter.grad += slope
        return loss

    def loss_and_grad(self, numbers: Any, *arrays: Any, reduction: str = "mean", threads: int = 1) -> tuple[float, Any]:
        """What `backward` does, with `numbers` in place of the `data` of `parameters`; no Value is read or changed.

        Gives the loss and its derivatives, an array of shape (parameters,). Optimizers of other libraries take this
        as it stands: `scipy.optimize.minimize(program.loss_and_grad, start, (X, Y), jac=True)`.

        >>> w, x = Value(3.0), Value(1.0)
        >>> compile(w * x, [x]).loss_and_grad([5.0], [1.0, 2.0, 6.0])
        (15.0, array([3.]))
        """
        if reduction not in ("mean", "sum"):
            raise ValueError(f"program: expected reduction 'mean' or 'sum', got {reduction!r}")
        if self._several:
            raise TypeError(f"program: expected one output, got {len(self._outputs)}; compile their sum")
        numbers = kernels().np.asarray(numbers, float)
        if numbers.shape != (len(self.parameters),):
            raise ValueError(f"program: expected numbers of shape ({len(self.parameters)},), got {numbers.shape}")
        if dask.is_lazy(arrays):
            totals = dask.totals(self, arrays, threads, numbers, mean=reduction == "mean")
        else:
            totals = self._replayed("totals", arrays, threads, numbers, mean=reduction == "mean").totals
        if totals is None:  # of no points
            return math.nan if reduction == "mean" else 0.0, kernels().np.zeros(numbers.shape)
        totals = totals.astype(float, copy=False)
        return float(totals[0]), totals[1:]

    def __len__(self) -> int:
        plan = self._plan("values")
        return len(plan.once) + len(plan.each)

    def __str__(self) -> str:
        return "\n".join([repr(self)[1:-1], *self._plan("values").listing()])

    def __repr__(self) -> str:
        counts = {"input": len(self._groups), "parameter": len(self.parameters), "output": len(self._outputs)}
        counted = [f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items()]
        return f"<Program: {', '.join(counted)}, {self._dtype}>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_plans", "_spare", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _plan(self, kind: str) -> Plan:
        if kind in self._plans:
            return self._plans[kind]
        with self._lock:
            if kind not in self._plans:
                self._plans[kind] = Plan(self._trace.tape, self._groups, self._dtype, *getattr(self, f"_{kind}")())
            return self._plans[kind]

    def _values(self) -> tuple[list[Any], list[int]]:
        return [self._trace.rows[output] for output in self._outputs], []

    def _gradients(self) -> tuple[list[Any], list[int]]:
        results, _ = self._values()
        seed = self._trace.tape.constant(1.0)
        for output in self._outputs:
            rows = iter(self._trace.adjoints(output, seed, [item for items in self._inputs for item in items]))
            for group, items in zip(self._groups, self._inputs, strict=True):
                taken = list(itertools.islice(rows, len(items)))
                results.append(taken[0] if group.size is None else taken)
        return results, []

    def _totals(self) -> tuple[list[Any], list[int]]:
        (output,), tape = self._outputs, self._trace.tape
        row = self._trace.rows[output]
        seed = tape.constant(1.0) if tape.steps[row].phase == VARYING else tape.add("count", (), None, UNIFORM)
        return [], [tape.total(row), *self._trace.adjoints(output, seed, self._parameter_items)]

    def _numbers(self) -> Any:
        return kernels().packed([parameter.data for parameter in self.parameters])

    def _results(self, kind: str, arrays: Sequence[Any], threads: int, numbers: Any = None) -> list[Any]:
        """The "values", an array for each output, or the "gradients": these, and for each output one for each input."""
        replay = self._replayed(kind, arrays, threads, numbers)
        shapes = [replay.points.whole if i is None else replay.points.given[i].shape for i in self._sources]
        return [result.reshape(shape) for result, shape in zip(replay.results, shapes, strict=False)]

    def _replayed(
        self, kind: str, arrays: Sequence[Any], threads: int, numbers: Any = None, *, mean: bool = False
    ) -> Replay:
        check_count("program", "threads", threads)
        points, plan = Points(arrays, self._groups), self._plan(kind)
        numbers = self._numbers() if numbers is None else numbers
        replay = Replay(plan, points, self._sources, numbers, self._spare[kind])
        replay.run(threads, mean=mean)
        return replay


def compile(
    output: Value | Sequence[Value], inputs: Sequence[Value | Sequence[Value]], *, dtype: Any = float
) -> Program:
    """The Program that computes an output, or several, from arrays in place of the inputs.

    Each input is a leaf, or a list of leaves, which takes an array of shape (…, k). All other leaves are parameters.

    >>> w, x = Value(3.0), Value(2.0)
    >>> print(compile(w * x + 1, [x]))
    Program: 1 input, 1 parameter, 1 output, float64
    at each point:
      r2 = multiply(parameters[0], r0)
      r1 = add(r2, 1.0)

    Raises ValueError for a graph that was recorded through an `if` on one of its Values: `vectorize` such a function.
    """
    outputs: list[Any] = [*output] if isinstance(output, list | tuple) else [output]
    if not isinstance(inputs, list | tuple):
        raise TypeError(f"compile: expected the inputs in a list, got {type(inputs).__name__}")
    if (name := kernels().np.dtype(dtype).name) not in ("float64", "float32"):
        raise TypeError(f"compile: expected float64 or float32 as dtype, got {name!r}")
    lists = [isinstance(each, list | tuple) for each in inputs]
    groups: list[Any] = [each if is_list else [each] for each, is_list in zip(inputs, lists, strict=True)]
    _check(outputs, groups)
    for node in topological_order(*outputs):
        if node.branched:
            name = f"node {node.label[:60]!r}" if node.label else f"a node, {node!r}"
            problem = "the graph was recorded through a branch on"
            raise ValueError(f"compile: {problem} {name}, which would be frozen; use tl.vectorize, or tl.where")
    return Program(outputs, groups, lists, dtype, several=isinstance(output, list | tuple))


def _check(outputs: Sequence[Any], groups: Sequence[Sequence[Any]]) -> None:
    for i, output in enumerate(outputs):
        if not isinstance(output, Value):
            raise TypeError(f"compile: expected a Value as output {i}, got {type(output).__name__}")
    if not outputs:
        raise ValueError("compile: expected at least one output, got none")
    if not all(groups):
        raise ValueError("compile: expected at least one Value in each list of inputs, got none")
    seen: set[Value] = set()
    for i, value in ((i, value) for i, group in enumerate(groups) for value in group):
        if not isinstance(value, Value):
            kind = type(value).__name__
            raise TypeError(f"compile: expected a Value or a list of Values as input {i}, got {kind}")
        if value.op is not None:
            what = "a constant" if value.op is constant else f"the result of {value.op.name}"
            raise ValueError(f"compile: expected a leaf as input {i}, got {what}, {value!r}")
        if value in seen:
            raise ValueError(f"compile: {value!r} is given twice, the second time as input {i}")
        seen.add(value)
