"""`vectorize`: a plain Python function of scalars, branches and loops included, over arrays, each point on its path.

A run of the function at one point leaves what it computes and the truths that it asked for: a path. Replaying the
truths tells at each other point how many of them hold, so where its own path parts from this one. The paths make a
tree: a point is replayed along the few that it follows for a while, however many there are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from .. import ops
from ..checks import number
from ..op import constant
from ..value import Value, node_of, topological_order, truths
from .kernels import check_count, kernels
from .points import Group, Points
from .program import Program

Work = Callable[[Program, Sequence[Any]], list[Any]]

PART = 2**17
"""How many points are followed at a time: few enough to stay in the cache while they are sorted by paths."""

KEPT = 256
"""How many paths of a function are kept compiled."""


def dependents(order: Iterable[Value], inputs: set[Value]) -> set[Value]:
    """The inputs, and the nodes of a topological order that depend on them."""
    found = set(inputs)
    for node in order:
        if node.op is not None and not found.isdisjoint(node.args):
            found.add(node)
    return found


class _Path:
    """One path through the function: what it gives, and the truths it asked for that depend on the arguments."""

    def __init__(self, f: Callable[..., Any], names: Sequence[str], point: Sequence[float]) -> None:
        self.inputs = [Value(x, name) for x, name in zip(point, names, strict=True)]
        self.problem: Exception | None = None
        """What the function raised instead of giving an output."""
        asked: list[tuple[Value, bool | None]] = []
        token = truths.set(asked)
        try:
            output = f(*self.inputs)
        except (ArithmeticError, ValueError) as error:
            if any(truth is None for _, truth in asked):  # an operation raised: elsewhere on the path it may not
                raise
            self.problem = error
        else:
            self.output = _checked(output, asked)
        finally:
            truths.reset(token)
        decided = dependents(topological_order(*[node for node, _ in asked]), {*self.inputs})
        self.guards = [guard for guard in dict.fromkeys(asked) if guard[0] in decided]
        self.agreements: dict[int, tuple[Program, list[int]]] = {}

    def key(self) -> Hashable:
        """What is alike in paths that compute the same from the same Values."""
        order = topological_order(self.output, *[node for node, _ in self.guards])
        numbers, inputs = {node: i for i, node in enumerate(order)}, {x: i for i, x in enumerate(self.inputs)}

        def described(node: Value) -> Hashable:
            if node in inputs:
                return inputs[node]
            if node.args:
                return node.op, *[numbers[arg] for arg in node.args]
            return node.op, node.data.hex() if node.op else id(node)

        guards = [(numbers[node], truth) for node, truth in self.guards]
        return len(inputs), numbers[self.output], *map(described, order), *guards

    @functools.cached_property
    def program(self) -> Program:
        """What the path computes."""
        return self.of(self.output, range(len(self.inputs)))

    def agreement(self, start: int) -> tuple[Program, list[int]]:
        """How many truths hold one after the other from `start` on, and the inputs that decide it."""
        if start not in self.agreements:
            guards = reversed(self.guards[start:])
            holds = [ops.not_equal(node, 0) if truth else ops.equal(node, 0) for node, truth in guards]
            count = functools.reduce(lambda count, hold: hold * (1 + count), holds)
            reached = set(topological_order(count))
            asked = [i for i, x in enumerate(self.inputs) if x in reached]
            self.agreements[start] = self.of(count, asked), asked
        return self.agreements[start]

    def of(self, output: Value, inputs: Sequence[int]) -> Program:
        """A program of some of the inputs."""
        return Program([output], [[self.inputs[i]] for i in inputs], [False] * len(inputs))

    def shared(self, other: _Path) -> int:
        """How many truths it shares with another one."""
        pairs = enumerate(zip(self.guards, other.guards, strict=False))
        return next((i for i, (one, another) in pairs if one[1] != another[1]), len(self.guards))

    def split(self, columns: Sequence[Any]) -> str:
        """The first comparison that came out otherwise at one of the points."""
        for node, truth in self.guards:
            if ((self.of(node, range(len(columns)))(*columns) != 0) != truth).any():
                texts = [f"{x.data:g}" if x.op is constant else x.label or "…" for x in node.args]
                return node.op.written(texts) if node.op else str(node.label)
        return "none"


def _checked(output: Any, asked: Iterable[tuple[Value, bool | None]]) -> Value:
    """What a function gave, as a Value."""
    if any(truth is None for _, truth in asked):
        problem = "the function caught the error of an operation, which other points may not raise"
        raise TypeError(f"vectorize: {problem}; compare before, or use tl.where")
    try:
        return output if isinstance(output, Value) else node_of(number(output), constant, (), ())
    except TypeError:
        kind = type(output).__name__
        raise TypeError(f"vectorize: expected a function that returns one Value, got {kind}") from None


ROOT: tuple[_Path | None, int] = None, -1
"""The place of the first path in the tree."""


class Vectorized:
    """A function of numbers that works over arrays, each point on its own path through the code."""

    def __init__(self, f: Callable[..., Any], max_paths: int) -> None:
        functools.update_wrapper(self, f)
        self._f, self._max_paths = f, max_paths
        self._known: dict[Hashable, _Path] = {}

    def __reduce__(self) -> Any:
        return Vectorized, (self._f, self._max_paths)  # what was compiled stays here

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
        with kernels().np.errstate(all="ignore"):
            return value, [_summed(gradient, shape) for gradient, shape in zip(gradients, shapes, strict=True)]

    def _followed(self, arrays: Sequence[Any], replay: Work, count: int) -> list[Any]:
        np, points = kernels().np, Points(arrays, [Group(None, None)] * len(arrays))
        columns = [np.broadcast_to(each, points.whole).reshape(-1).astype(float, copy=False) for each in points.given]
        results = [np.empty(points.count) for _ in range(count)]
        record = functools.partial(self._recorded, self._names(len(arrays)))
        _Call(record, columns, results, replay, self._max_paths).run()
        return [result.reshape(points.whole) for result in results]

    def _recorded(self, names: Sequence[str], point: Sequence[float]) -> _Path:
        """The path at a point; one that was compiled before, in this call or another, if it computes the same."""
        path = _Path(self._f, names, point)
        if path.problem:
            return path
        if len(self._known) >= KEPT:
            self._known.clear()
        return self._known.setdefault(path.key(), path)

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
        self.count, self.finished = len(results[0]), 0
        self.tree: dict[tuple[_Path | None, int], _Path] = {}
        """The paths by that from which they part, and the number of the truth that parts them."""
        self.paths: list[_Path] = []
        self.aside: list[int] = []
        """The points at which recording raised."""

    def run(self) -> None:
        """Take all points to the ends of their paths, at last those at which recording raised."""
        for start in range(0, self.count, PART):
            self.follow(range(start, min(start + PART, self.count)), self.recorded)
        self.follow(kernels().np.sort(kernels().np.array(self.aside, int)), self.lost)
        problems = [path.problem for path in self.paths if path.problem]
        if problems and len(problems) == len(self.paths):
            raise problems[0]

    def follow(self, places: Any, unknown: Callable[[Any], Any]) -> None:
        """Replay paths from where they part; of places whose path is `unknown` that gives those still to go."""
        waiting = [(*ROOT, places)]
        while waiting:
            parent, parting, places = waiting.pop()
            if not len(places):
                continue
            if (path := self.tree.get((parent, parting))) is None:
                waiting.append((parent, parting, unknown(places)))
                continue
            for count, group in self.grouped(path, parting + 1, places):
                if count < len(path.guards):
                    waiting.append((path, count, group))
                else:
                    self.finish(path, group)

    def grouped(self, path: _Path, start: int, places: Any) -> Iterator[tuple[int, Any]]:
        """The places by how many truths of a path hold there, of which those before `start` do."""
        most, left = len(path.guards), len(places)
        if start >= most:
            yield most, places
            return
        program, asked = path.agreement(start)
        held = program(*self.at(_index(places), asked))
        for count in range(most - start, -1, -1):
            # Taking by indices is faster than masking.
            found = kernels().np.flatnonzero(held == count)
            if len(found) == len(places):
                yield start + count, places
            elif len(found):
                yield start + count, found + places.start if isinstance(places, range) else places.take(found)
            left -= len(found)
            if not left:
                return

    def finish(self, path: _Path, places: Any) -> None:
        """Replay a path to its end."""
        self.finished += len(places)
        if path.problem:
            self.lost(places)
            return
        index = _index(places)
        pieces = self.replay(path.program, self.at(index, range(len(self.columns))))
        for result, piece in zip(self.results, pieces, strict=True):
            result[index] = piece

    def at(self, index: Any, inputs: Iterable[int]) -> list[Any]:
        """Some of the arguments there."""
        if isinstance(index, slice):
            return [self.columns[i][index] for i in inputs]
        return [self.columns[i].take(index) for i in inputs]

    def recorded(self, places: Any) -> Any:
        """Record at one of the places, which takes that path whatever the last bits say; the others."""
        if len(self.paths) >= self.most or len(self.aside) >= self.most:
            raise ValueError(self.complaint(places))
        tried, problem = list[int](), Exception()
        while (i := 2 ** len(tried) - 1) < len(places):  # where recording raises, farther and farther away
            try:
                path = self.record([float(column[places[i]]) for column in self.columns])
            except (ArithmeticError, ValueError) as error:
                tried.append(i)
                problem = error
            else:
                self.add(path)
                self.finish(path, places[i : i + 1])
                return kernels().np.delete(places, i) if i else places[1:]
        self.aside += [places[i] for i in tried]
        if not self.paths and len(self.aside) == self.count:
            raise problem
        return kernels().np.delete(places, tried)

    def add(self, path: _Path) -> None:
        """Let a path part from the known ones, if it is none of them."""
        self.paths.append(path)
        place = ROOT
        while (known := self.tree.get(place)) is not None:
            if (shared := known.shared(path)) == len(known.guards):
                return
            place = known, shared
        self.tree[place] = path

    def lost(self, places: Any) -> Any:
        """Give nan to places on no known path, or on one that raises."""
        for result in self.results:
            result[places] = math.nan
        return places[:0]

    def complaint(self, places: Any) -> str:
        """Why no more paths are taken."""
        reached, split = f"recording raised at {len(self.aside)} points", ""
        if len(self.paths) >= self.most:
            reached = f"{self.most} paths taken"
            comparison = self.paths[-1].split(self.at(_index(places), range(len(self.columns))))
            split = f"the comparison {comparison} splits them; "
        left = self.count - self.finished - len(self.aside)
        advice = "raise max_paths, or write the choice with tl.where"
        return f"vectorize: {reached} and {left} points are left; {split}{advice}"


def _index(places: Any) -> Any:
    """Ascending places as an index: a slice if they are consecutive."""
    consecutive = places[-1] - places[0] == len(places) - 1
    return slice(places[0], places[-1] + 1) if consecutive else places


def _summed(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Summed to a shape that broadcasts to its own."""
    summed = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 != summed.shape[i])
    return kernels().np.asarray(summed.sum(axes, keepdims=True))


def vectorize(f: Callable[..., Any], *, max_paths: int = 1000) -> Vectorized:
    """A plain function of numbers, `if` and `while` included, as a function of arrays: each point on its own path.

    >>> g = vectorize(lambda x: x * x if x > 0 else -x)
    >>> g([-2.0, 3.0])
    array([2., 9.])
    >>> g.value_and_grad([-2.0, 3.0])
    (array([2., 9.]), [array([-1.,  6.])])

    In each call `f` runs at one point of each path, with Values. The truth of every Value that it asks about is kept;
    other points are replayed while they agree. What would freeze a number into the path (`float(x)`, formatting) raises
    TypeError, and more than `max_paths` paths ValueError. A point where `f` raises ArithmeticError or ValueError gets
    inf or nan. An error of an operation is no truth that `f` asked about: where it is seen to be caught, TypeError.
    """
    if not callable(f):
        raise TypeError(f"vectorize: expected a function, got {type(f).__name__}")
    check_count("vectorize", "max_paths", max_paths)
    return Vectorized(f, max_paths)
