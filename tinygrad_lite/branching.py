"""`vectorize`: a plain Python function of scalars, branches and loops included, over arrays, each point on its path."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from . import ops
from .kernels import Group, kernels
from .program import Program
from .replay import Points
from .value import Value, truths


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
        holds = [ops.not_equal(node, 0) if truth else ops.equal(node, 0) for node, truth in self.guards]
        self.shape = [[x] for x in inputs], [False] * len(inputs)
        self.agreement = Program([functools.reduce(ops.mul, holds)], *self.shape) if holds else None
        self.program = Program([output], *self.shape)

    def split(self, columns: Sequence[Any]) -> str:
        """The first comparison that came out otherwise at one of the points."""
        for node, truth in self.guards:
            if ((Program([node], *self.shape)(*columns) != 0) != truth).any():
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
        return self._followed(arrays, lambda program, columns: [program(*columns)])[0]

    def value_and_grad(self, *arrays: Any) -> tuple[Any, list[Any]]:
        """The values, and for each argument the derivative in its array's shape, summed where that was broadcast."""

        def replay(program: Program, columns: Sequence[Any]) -> list[Any]:
            value, gradients = program.value_and_grad(*columns)
            return [value, *gradients]

        value, *gradients = self._followed(arrays, replay)
        shapes = [kernels().np.shape(array) for array in arrays]
        return value, [_summed(gradient, shape) for gradient, shape in zip(gradients, shapes, strict=True)]

    def _followed(self, arrays: Sequence[Any], replay: Callable[[Program, Sequence[Any]], list[Any]]) -> list[Any]:
        """Record a path at a point, replay it where its guards agree, until no point is left."""
        np = kernels().np
        points = Points(arrays, [Group(None, None)] * len(arrays))
        columns = [np.broadcast_to(each, points.whole).reshape(-1).astype(float, copy=False) for each in points.given]
        results = [np.full(points.count, math.nan) for _ in range(1 + len(arrays))]
        names = self._names(len(arrays))
        left, aside, paths = np.arange(points.count), list[int](), list[_Path]()
        here = columns
        while left.size:
            if len(paths) + len(aside) >= self._max_paths:
                raise ValueError(self._too_many(paths, left, here))
            try:
                path = _Path(self._f, names, [float(column[0]) for column in here])
            except (ArithmeticError, ValueError):
                if not paths and left.size == 1:
                    raise
                aside.append(left[0])
                left, here = left[1:], [column[1:] for column in here]
            else:
                paths.append(path)
                left, here = _follow(path, left, here, results, replay, recorded=1)
        left, here = np.array(aside, int), [column[aside] for column in columns] if aside else columns
        for path in paths if aside else ():  # where recording raised, replay gives inf or nan
            left, here = _follow(path, left, here, results, replay)
        return [result.reshape(points.whole) for result in results]

    def _names(self, count: int) -> list[str]:
        import inspect

        try:
            names = list(inspect.signature(self._f).parameters)
        except (TypeError, ValueError):
            names = []
        return [*names, *(f"argument {i}" for i in range(len(names), count))][:count]

    def _too_many(self, paths: Sequence[_Path], left: Any, columns: Sequence[Any]) -> str:
        split = f"the comparison {paths[-1].split(columns)} splits them" if paths else "recording raised at each point"
        advice = "raise max_paths, or write the choice with tl.where"
        return f"vectorize: {self._max_paths} paths taken and {left.size} points are left; {split}; {advice}"


def _follow(
    path: _Path, left: Any, here: Sequence[Any], results: Sequence[Any], replay: Callable[..., Any], recorded: int = 0
) -> tuple[Any, list[Any]]:
    """Replay a path at the points that agree with it; the others, and the arguments there."""
    np = kernels().np
    if not left.size:
        return left, [*here]
    agrees = np.ones(left.size, bool) if path.agreement is None else path.agreement(*here) != 0
    agrees[:recorded] = True  # where it was recorded, whatever the last bits say
    chosen, others = np.flatnonzero(agrees), np.flatnonzero(~agrees)  # taking these is faster than masking
    there = [column.take(chosen) for column in here] if others.size else here
    for result, values in zip(results, replay(path.program, there), strict=False):
        result[left.take(chosen)] = values
    return left.take(others), [column.take(others) for column in here]


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
