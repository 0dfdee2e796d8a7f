"""`vectorize`: a plain Python function of scalars, branches and loops included, over arrays, each point on its path."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import ops
from .kernels import Group, kernels
from .program import Program
from .replay import Points
from .value import Value, topological_order, truths

Work = Callable[[Program, Sequence[Any]], list[Any]]

PART = 2**18
"""How many points are followed at a time: few enough to stay in the cache while they are sorted by paths."""


class _Path:
    """One path through a function: what it computes, and the truths that lead there."""

    def __init__(self, f: Callable[..., Any], names: Sequence[str], point: Sequence[float]) -> None:
        inputs = [Value(x, name) for x, name in zip(point, names, strict=True)]
        asked: list[tuple[Value, bool]] = []
        token = truths.set(asked)
        try:
            output = f(*inputs)
        finally:
            truths.reset(token)
        if not isinstance(output, Value):
            try:
                output = Value(output)
            except TypeError:
                kind = type(output).__name__
                raise TypeError(f"vectorize: expected a function that returns one Value, got {kind}") from None
        self.guards = list(dict.fromkeys(asked))
        self.inputs = inputs
        self.program = self.of(output, range(len(inputs)))
        self.agreement: Program | None = None
        self.asked: list[int] = []
        """Which inputs decide whether a point takes this path."""
        if self.guards:
            holds = [ops.not_equal(node, 0) if truth else 1 - ops.not_equal(node, 0) for node, truth in self.guards]
            met = functools.reduce(ops.mul, holds)
            reached = set(topological_order(met))
            self.asked = [i for i, x in enumerate(inputs) if x in reached]
            self.agreement = self.of(met, self.asked) if self.asked else None

    def of(self, output: Value, inputs: Sequence[int]) -> Program:
        """A program of some of the inputs."""
        return Program([output], [[self.inputs[i]] for i in inputs], [False] * len(inputs))

    def split(self, columns: Sequence[Any]) -> str:
        """The first comparison that came out otherwise at one of the points."""
        for node, truth in self.guards:
            if ((self.of(node, range(len(columns)))(*columns) != 0) != truth).any():
                texts = [f"{x.data:g}" if x.op is ops.constant else x.label or "…" for x in node.args]
                return node.op.written(texts) if node.op else str(node.label)
        return "none"


class Vectorized:
    """A function of numbers that works over arrays, each point on its own path through the code."""

    def __init__(self, f: Callable[..., Any], max_paths: int) -> None:
        self._f, self._max_paths = f, max_paths
        functools.update_wrapper(self, f)

    def __call__(self, *arrays: Any) -> Any:
        """The values of the function at the points of the arrays, which broadcast."""
        return self._followed(arrays, lambda program, columns: [program(*columns)], 1)[0]

    def value_and_grad(self, *arrays: Any) -> tuple[Any, list[Any]]:
        """The values, and for each argument the derivative in its array's shape, summed where that was broadcast."""

        def replay(program: Program, columns: Sequence[Any]) -> list[Any]:
            value, gradients = program.value_and_grad(*columns)
            return [value, *gradients]

        value, *gradients = self._followed(arrays, replay, 1 + len(arrays))
        shapes = [kernels().np.shape(array) for array in arrays]
        return value, [_summed(gradient, shape) for gradient, shape in zip(gradients, shapes, strict=True)]

    def _followed(self, arrays: Sequence[Any], replay: Work, count: int) -> list[Any]:
        np, points = kernels().np, Points(arrays, [Group(None, None)] * len(arrays))
        columns = [np.broadcast_to(each, points.whole).reshape(-1).astype(float, copy=False) for each in points.given]
        results = [np.empty(points.count) for _ in range(count)]
        _Call(
            functools.partial(_Path, self._f, self._names(len(arrays))), columns, results, replay, self._max_paths
        ).run()
        return [result.reshape(points.whole) for result in results]

    def _names(self, count: int) -> list[str]:
        import inspect

        try:
            names = list(inspect.signature(self._f).parameters)
        except (TypeError, ValueError):
            names = []
        return [*names, *(f"argument {i}" for i in range(len(names), count))][:count]


class _Call:
    """One call of a vectorized function: its arguments and results, and the paths found so far."""

    def __init__(
        self, record: Callable[[list[float]], _Path], columns: list[Any], results: list[Any], replay: Work, most: int
    ) -> None:
        self.record, self.columns, self.results, self.replay, self.most = record, columns, results, replay, most
        self.count = len(results[0])
        self.paths: list[_Path] = []
        self.aside: list[int] = []
        """The points at which recording raised."""

    def run(self) -> None:
        """Replay each known path where its guards agree, and record another at a point that is left, until none is."""
        np = kernels().np
        for start in range(0, self.count, PART):
            stop = min(start + PART, self.count)
            left = self.along_known(np.arange(start, stop))
            while len(left):
                left = self.along_new(left, self.count - stop)
        left = self.along_known(np.sort(np.array(self.aside, int)))  # there replay gives inf or nan
        for result in self.results:
            result[left] = math.nan

    def along_known(self, places: Any) -> Any:
        """Follow the known paths; the places that are left."""
        for path in self.paths:
            places = self.along(path, places)
        return places

    def along_new(self, left: Any, unseen: int) -> Any:
        """Record at a place, and follow the path that this gives; the places that are left."""
        if len(self.paths) >= self.most or len(self.aside) >= self.most:
            raise ValueError(self.complaint(left, unseen))
        tried, problem = list[int](), Exception()
        while (i := 2 ** len(tried) - 1) < len(left):  # where recording raises, farther and farther away
            try:
                path = self.record([float(column[left[i]]) for column in self.columns])
            except (ArithmeticError, ValueError) as error:
                tried.append(i)
                problem = error
            else:
                self.paths.append(path)
                return self.along(path, left, recorded=i)
        self.aside += left[tried].tolist()
        left = kernels().np.delete(left, tried)
        if not self.paths and len(left) + unseen == 0:
            raise problem
        return left

    def complaint(self, left: Any, unseen: int) -> str:
        """Why no more paths are taken."""
        reached = f"recording raised at {len(self.aside)} points"
        split = ""
        if len(self.paths) >= self.most:
            reached = f"{self.most} paths taken"
            comparison = self.paths[-1].split(self.at(left, range(len(self.columns))))
            split = f"the comparison {comparison} splits them; "
        advice = "raise max_paths, or write the choice with tl.where"
        return f"vectorize: {reached} and {len(left) + unseen} points are left; {split}{advice}"

    def along(self, path: _Path, places: Any, recorded: int | None = None) -> Any:
        """Replay a path at the places that agree with it, at the `recorded` one anyway; those that are left."""
        np, chosen, left = kernels().np, places, places[:0]
        if path.agreement is not None and len(places):
            agrees = path.agreement(*self.at(places, path.asked)) != 0
            if recorded is not None:
                agrees[recorded] = True  # whatever the last bits say
            if not agrees.all():
                # Taking by indices is faster than masking.
                chosen, left = places.take(np.flatnonzero(agrees)), places.take(np.flatnonzero(~agrees))
        if len(chosen):
            pieces = self.replay(path.program, self.at(chosen, range(len(self.columns))))
            for result, piece in zip(self.results, pieces, strict=True):
                result[chosen] = piece
        return left

    def at(self, places: Any, inputs: Iterable[int]) -> list[Any]:
        """Some of the arguments there. Places ascend."""
        if places[-1] - places[0] == len(places) - 1:
            return [self.columns[i][places[0] : places[-1] + 1] for i in inputs]
        return [self.columns[i].take(places) for i in inputs]


def _summed(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Summed to a shape that broadcasts to its own."""
    summed = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 != summed.shape[i])
    return summed.sum(axes, keepdims=True)


def vectorize(f: Callable[..., Any], *, max_paths: int = 1000) -> Vectorized:
    """A plain function of numbers, `if` and `while` included, as a function of arrays: each point on its own path.

    >>> g = vectorize(lambda x: x * x if x > 0 else -x)
    >>> g([-2.0, 3.0])
    array([2., 9.])
    >>> g.value_and_grad([-2.0, 3.0])
    (array([2., 9.]), [array([-1.,  6.])])

    The truth of every Value that `f` asks about is kept as a guard; other points are replayed while they agree. What
    would freeze a number into the path (`float(x)`, formatting) raises TypeError, and more than `max_paths` paths
    ValueError. A point where `f` raises ArithmeticError or ValueError gets inf or nan.
    """
    if not callable(f):
        raise TypeError(f"vectorize: expected a function, got {type(f).__name__}")
    return Vectorized(f, max_paths)
