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


PART = 2**17
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
            holds = [ops.not_equal(node, 0) if truth else ops.equal(node, 0) for node, truth in self.guards]
            met = functools.reduce(ops.mul, holds)
            reached = set(topological_order(met))
            self.asked = [i for i, x in enumerate(inputs) if x in reached]
            self.agreement = self.of(met, self.asked)

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

    def _followed(
        self, arrays: Sequence[Any], replay: Callable[[Program, Sequence[Any]], list[Any]], count: int
    ) -> list[Any]:
        """Replay each known path where its guards agree, and record another at a point that is left, until none is."""
        np = kernels().np
        points = Points(arrays, [Group(None, None)] * len(arrays))
        columns = [np.broadcast_to(each, points.whole).reshape(-1).astype(float, copy=False) for each in points.given]
        results = [np.empty(points.count) for _ in range(count)]
        names, aside, paths = self._names(len(arrays)), list[int](), list[_Path]()
        for start in range(0, points.count, PART):
            part = slice(start, start + PART)
            left = _Left([column[part] for column in columns], [result[part] for result in results], replay)
            for path in paths:
                left.follow(path)
            while len(left.places):
                unseen = len(left.places) + max(0, points.count - part.stop)
                if len(paths) + len(aside) >= self._max_paths:
                    raise ValueError(self._too_many(paths, unseen, left.columns(left.places, range(len(columns)))))
                first = left.places[0]
                try:
                    path = _Path(self._f, names, [float(column[start + first]) for column in columns])
                except (ArithmeticError, ValueError):
                    if not paths and unseen == 1:
                        raise
                    aside.append(start + first)
                    left.places = left.places[1:]
                else:
                    paths.append(path)
                    left.follow(path, recorded=1)
        if aside:  # where recording raised, replay gives inf or nan
            left = _Left(
                [column[aside] for column in columns], [np.full(len(aside), math.nan) for _ in results], replay
            )
            for path in paths:
                left.follow(path)
            for result, values in zip(results, left.results, strict=True):
                result[aside] = values
        return [result.reshape(points.whole) for result in results]

    def _names(self, count: int) -> list[str]:
        import inspect

        try:
            names = list(inspect.signature(self._f).parameters)
        except (TypeError, ValueError):
            names = []
        return [*names, *(f"argument {i}" for i in range(len(names), count))][:count]

    def _too_many(self, paths: Sequence[_Path], left: int, columns: Sequence[Any]) -> str:
        split = f"the comparison {paths[-1].split(columns)} splits them" if paths else "recording raised at each point"
        advice = "raise max_paths, or write the choice with tl.where"
        return f"vectorize: {self._max_paths} paths taken and {left} points are left; {split}; {advice}"


class _Left:
    """Points that no path was found for yet."""

    def __init__(self, columns: list[Any], results: list[Any], replay: Callable[..., list[Any]]) -> None:
        self.all, self.results, self.replay = columns, results, replay
        self.places = kernels().np.arange(len(results[0]))

    def columns(self, places: Any, inputs: Iterable[int]) -> list[Any]:
        """The arguments there."""
        whole = len(places) == len(self.all[0])
        return [self.all[i] if whole else self.all[i].take(places) for i in inputs]

    def follow(self, path: _Path, recorded: int = 0) -> None:
        """Replay a path at the points that agree with it; the first `recorded` do, whatever the last bits say."""
        if not len(self.places):
            return
        np, places = kernels().np, self.places
        if path.agreement is not None:
            agrees = path.agreement(*self.columns(places, path.asked)) != 0
            agrees[:recorded] = True
            if not agrees.all():
                places = places.take(np.flatnonzero(agrees))  # taking is faster than masking
        self.places = self.places.take(np.flatnonzero(~agrees)) if len(places) < len(self.places) else places[:0]
        if len(places):
            values = self.replay(path.program, self.columns(places, range(len(self.all))))
            for result, piece in zip(self.results, values, strict=True):
                result[places] = piece


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
