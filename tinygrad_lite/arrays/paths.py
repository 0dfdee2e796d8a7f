"""The paths of points through a function: recorded at one, replayed at all that take them.

A run of the function at one point leaves what it computes and the truths that it asked for: a path.
Replaying the truths tells at each other point how many of them hold, so where its own path parts
from this one. The paths make a tree: a point is replayed along the few that it follows for a while,
however many there are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from .. import ops
from ..op import constant
from ..support.checks import number
from ..value import Value, topological_order
from .checks import shape_of
from .kernels import kernels
from .program import Program
from .traced import Recording, Traced

Work = Callable[[Program, Sequence[Any]], list[Any]]

PART = 2**17
"""How many points are followed at a time: few enough to stay in the cache while they are sorted."""


class Path:
    """One path through the function: what it gives, and the truths that it asked for."""

    def __init__(self, f: Callable[..., Any], names: Sequence[str], point: Sequence[float]) -> None:
        self.inputs = [Value(x, name) for x, name in zip(point, names, strict=True)]
        self.problem: Exception | None = None
        """What the function raised instead of giving an output."""
        self.recording = recording = Recording(self.inputs)
        try:
            result = f(*[Traced(i, recording) for i in range(len(point))])
        except (ArithmeticError, ValueError) as error:
            # An operation raised: elsewhere on the path it may not.
            if any(truth is None for _, truth in recording.asked):
                raise
            self.problem = error
        else:
            self.several = bool(shape_of(result))
            self.outputs = _outputs(result if self.several else [result], recording)
        finally:
            recording.over = True
        self.guards = [*dict.fromkeys(recording.asked)]
        """The lines that were asked about, and what their truth was."""
        self.agreements: dict[int, tuple[Program, list[int]]] = {}

    def key(self) -> Hashable:
        """What is alike in paths that compute the same from the same Values."""
        return self.several, *self.outputs, *self.recording.lines, *self.guards

    @functools.cached_property
    def nodes(self) -> list[Value]:
        """The lines of the recording, as a graph."""
        return self.recording.graph()

    @functools.cached_property
    def program(self) -> Program:
        """What the path computes."""
        outputs = [self.nodes[line] for line in self.outputs]
        return self.of(outputs, range(len(self.inputs)))

    def agreement(self, start: int) -> tuple[Program, list[int]]:
        """How many truths hold one after the other from `start` on, and what decides it."""
        if start not in self.agreements:
            guards = reversed(self.guards[start:])
            holds = [
                (ops.not_equal if truth else ops.equal)(self.nodes[line], 0)
                for line, truth in guards
            ]
            count = functools.reduce(lambda count, hold: hold * (1 + count), holds)
            reached = set(topological_order(count))
            asked = [i for i, x in enumerate(self.inputs) if x in reached]
            self.agreements[start] = self.of([count], asked), asked
        return self.agreements[start]

    def of(self, outputs: Sequence[Value], inputs: Sequence[int]) -> Program:
        """A program of some of the inputs."""
        groups = [[self.inputs[i]] for i in inputs]
        nodes = topological_order(*outputs)
        return Program(nodes, outputs, groups, [()] * len(inputs), several=True)

    def shared(self, other: Path) -> int:
        """How many truths it shares with another one."""
        pairs = enumerate(zip(self.guards, other.guards, strict=False))
        return next((i for i, (one, another) in pairs if one[1] != another[1]), len(self.guards))

    def split(self, columns: Sequence[Any]) -> str:
        """The first comparison that came out otherwise at one of the points."""
        for line, truth in self.guards:
            node = self.nodes[line]
            (values,) = self.of([node], range(len(columns)))(*columns)
            if ((values != 0) != truth).any():
                texts = [f"{x.data:g}" if x.op is constant else x.label or "…" for x in node.args]
                return node.op.written(texts) if node.op else str(node.label)
        return "none"


def _outputs(results: Sequence[Any], recording: Recording) -> list[int]:
    """The lines of what a function gave."""
    if any(truth is None for _, truth in recording.asked):
        problem = "the function caught the error of an operation, which other points may not raise"
        raise TypeError(f"vectorize: {problem}; compare before, or use tl.where")
    if not len(results):
        raise TypeError("vectorize: expected a function that gives numbers, got none")
    return [recording.place(_number_or_operand(result)) for result in results]


def _number_or_operand(result: Any) -> Any:
    try:
        return result if isinstance(result, Traced | Value) else number(result)
    except TypeError:
        kind = type(result).__name__
        expected = "expected a function that gives a number, or a list of numbers"
        raise TypeError(f"vectorize: {expected}, got {kind}") from None


ROOT: tuple[Path | None, int] = None, -1
"""The place of the first path in the tree."""


class Call:
    """One call of a vectorized function: its arguments and results, and the paths found so far."""

    def __init__(
        self, record: Callable[[list[float]], Path], columns: list[Any], replay: Work, most: int
    ) -> None:
        self.record = record
        self.columns = columns
        self.replay = replay
        self.most = most
        self.count = len(columns[0])
        self.finished = 0
        self.several: bool | None = None
        self.results: list[Any] = []
        """An array for each result: how many there are is known from the first path."""
        self.tree: dict[tuple[Path | None, int], Path] = {}
        """The paths by that from which they part, and the number of the truth that parts them."""
        self.paths: list[Path] = []
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
        """Replay paths from where they part; of the places of `unknown` path give those to go."""
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

    def grouped(self, path: Path, start: int, places: Any) -> Iterator[tuple[int, Any]]:
        """The places by how many truths of a path hold there, of which those before `start` do."""
        most = len(path.guards)
        left = len(places)
        if start >= most:
            yield most, places
            return
        program, asked = path.agreement(start)
        (held,) = program(*self.at(_index(places), asked))
        for count in range(most - start, -1, -1):
            # Taking by indices is faster than masking.
            found = kernels().np.flatnonzero(held == count)
            if len(found) == len(places):
                yield start + count, places
            elif len(found):
                there = isinstance(places, range)
                yield start + count, found + places.start if there else places.take(found)
            left -= len(found)
            if not left:
                return

    def finish(self, path: Path, places: Any) -> None:
        """Replay a path to its end."""
        self.finished += len(places)
        if path.problem:  # nan stays there
            return
        index = _index(places)
        pieces = self.replay(path.program, self.at(index, range(len(self.columns))))
        self.prepare(path, len(pieces))
        for result, piece in zip(self.results, pieces, strict=True):
            result[index] = piece

    def prepare(self, path: Path, count: int) -> None:
        """Make the results, nan until known, or see that they are as many as on other paths."""
        if self.several is None:
            self.several = path.several
            self.results = [kernels().np.full(self.count, math.nan) for _ in range(count)]
        elif (self.several, len(self.results)) != (path.several, count):
            problem = "expected as many outputs on each path"
            raise TypeError(f"vectorize: {problem}, got others on another; return as many always")

    def at(self, index: Any, inputs: Iterable[int]) -> list[Any]:
        """Some of the arguments there."""
        if isinstance(index, slice):
            return [self.columns[i][index] for i in inputs]
        return [self.columns[i].take(index) for i in inputs]

    def recorded(self, places: Any) -> Any:
        """Record at one of the places, which takes that path whatever the last bits; the others."""
        if len(self.paths) >= self.most or len(self.aside) >= self.most:
            raise ValueError(self.complaint(places))
        tried: list[int] = []
        problem: Exception = ValueError()
        while (i := 2 ** len(tried) - 1) < len(
            places
        ):  # where recording raises, farther and farther away
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

    def add(self, path: Path) -> None:
        """Let a path part from the known ones, if it is none of them."""
        self.paths.append(path)
        place = ROOT
        while (known := self.tree.get(place)) is not None:
            if (shared := known.shared(path)) == len(known.guards):
                return
            place = known, shared
        self.tree[place] = path

    def lost(self, places: Any) -> Any:
        """Leave nan at places on no known path, or on one that raises."""
        return places[:0]

    def complaint(self, places: Any) -> str:
        """Why no more paths are taken."""
        reached = f"recording raised at {len(self.aside)} points"
        split = ""
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
