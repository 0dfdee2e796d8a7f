"""The arrays of a call: checked, broadcast, laid out along one axis; and results in shape."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..value import Value
from .answers import Form
from .kernels import np

Shape = tuple[int, ...]
REAL = "biuf"
"""The kinds of NumPy's dtypes that hold real numbers."""


class Group(NamedTuple):
    """An input: one Value, or a list or array of them, which takes an array of shape (…, *tail)."""

    tail: Shape = ()
    """The axes of its arrays that are no points."""
    label: str | None = None

    def checked(self, i: int, array: Any) -> Any:
        """Array i of a call, if it can stand for this input."""
        given = np().asarray(array)
        fits = not self.tail or given.shape[-len(self.tail) :] == self.tail
        if fits and given.dtype.kind in REAL:
            return given
        name = f"array {i}" + (f" ({self.label[:60]!r})" if self.label else "")
        real_numbers(name, array)
        expected = f"(..., {', '.join(map(str, self.tail))}) for {self.size} Values"
        raise ValueError(
            f"program: {name}: expected an array of shape {expected}, got shape {given.shape}"
        )

    @property
    def size(self) -> int:
        """How many Values it has."""
        return math.prod(self.tail)


def real_numbers(name: str, array: Any) -> Any:
    """An array of a call, if it holds real numbers."""
    if isinstance(array, Value):
        raise TypeError(
            f"program: {name}: expected real numbers, got a Value; give its number, .data"
        )
    given = np().asarray(array)
    if given.dtype == object and any(isinstance(x, Value) for x in given.ravel()):
        advice = "give their numbers, tl.data_of(values)"
        raise TypeError(f"program: {name}: expected real numbers, got Values; {advice}")
    if given.dtype.kind not in REAL:
        raise TypeError(f"program: {name}: expected real numbers, got dtype {given.dtype}")
    return given


def check_count(name: str, given: Sequence[Any], groups: Sequence[Group]) -> None:
    """Raise TypeError unless there is one for each input."""
    if len(given) != len(groups):
        raise TypeError(f"program: expected {len(groups)} {name}, got {len(given)}")


class Points:
    """The arrays of a call, broadcast together; `flat` has one axis for the points in each."""

    def __init__(self, arrays: Sequence[Any], groups: Sequence[Group]) -> None:
        check_count("arrays", arrays, groups)
        self.groups = groups
        self.given = [group.checked(i, arrays[i]) for i, group in enumerate(groups)]
        self.shapes = tuple(
            [a.shape[: a.ndim - len(g.tail)] for a, g in zip(self.given, groups, strict=True)]
        )
        self.whole, self.count = together(self.shapes)
        self.alike = len(self.whole) == 1 and self.shapes.count(self.whole) == len(groups)
        self.flat = self.given
        """Each array as (points,), or (points, *tail)."""
        if not self.alike:
            wide = [
                np().broadcast_to(a, (*self.whole, *g.tail))
                for a, g in zip(self.given, groups, strict=True)
            ]
            self.flat = [
                a.reshape((self.count, *g.tail)) for a, g in zip(wide, groups, strict=True)
            ]

    def results(self, forms: Sequence[Form], dtype: Any, out: Sequence[Any] | None) -> list[Any]:
        """Arrays for results, with one axis for the points: the caller's if they can be used."""
        tails = [form.tail for form in forms]
        if out is None:
            return [np().empty((self.count, *tail), dtype) for tail in tails]
        if len(out) != len(tails):
            raise ValueError(f"program: out: expected {len(tails)} arrays, got {len(out)}")
        for i, (array, tail) in enumerate(zip(out, tails, strict=True)):
            self._check_out(i, array, dtype, (*self.whole, *tail))
        return [
            np().empty((self.count, *tail), dtype)
            if any(np().may_share_memory(array, each) for each in self.given)  # and is read later
            else array.reshape((self.count, *tail))
            for array, tail in zip(out, tails, strict=True)
        ]

    def _check_out(self, i: int, array: Any, dtype: Any, shape: Shape) -> None:
        found = getattr(array, "dtype", None), getattr(array, "shape", None)
        if found != (dtype, shape):
            got = f"{found[0] or type(array).__name__} of shape {np().shape(array)}"
            raise ValueError(f"program: out {i}: expected {dtype} of shape {shape}, got {got}")
        if not array.flags.c_contiguous or not array.flags.writeable:
            advice = "expected a contiguous array that can be written"
            raise ValueError(f"program: out {i}: {advice}, got one that is not")

    def shaped(
        self, results: Sequence[Any], forms: Sequence[Form], out: Sequence[Any] | None
    ) -> list[Any]:
        """Results in the shape of all points; an input's in its own, summed where it broadcast."""
        if out is not None:
            for array, result in zip(out, results, strict=True):
                if not np().may_share_memory(array, result):
                    array[...] = result.reshape(array.shape)
            return [*out]
        if self.alike:
            return [*results]
        shapes = [self.whole if form.source is None else self.shapes[form.source] for form in forms]
        with np().errstate(all="ignore"):
            return [
                self._summed(result, shape) for result, shape in zip(results, shapes, strict=True)
            ]

    def _summed(self, result: Any, own: Shape) -> Any:
        tail = result.shape[1:]
        if own != self.whole:
            padded = (1,) * (len(self.whole) - len(own)) + own
            axes = tuple(
                [axis for axis, (m, n) in enumerate(zip(padded, self.whole, strict=True)) if m != n]
            )
            result = result.reshape((*self.whole, *tail)).sum(axes)
        return result.reshape((*own, *tail))


@functools.lru_cache(maxsize=256)
def together(shapes: tuple[Shape, ...]) -> tuple[Shape, int]:
    """The shape that shapes broadcast to, and how many points that are."""
    for (i, one), (j, other) in itertools.combinations(enumerate(shapes), 2):
        if any(m != n and 1 not in (m, n) for m, n in zip(one[::-1], other[::-1], strict=False)):
            problem = f"their points have shapes {one} and {other}"
            raise ValueError(f"program: arrays {i} and {j} do not broadcast: {problem}")
    shape = tuple(np().broadcast_shapes(*shapes))
    return shape, math.prod(shape)
