"""Directions to differentiate in: unit directions, and what a 0 in one makes of an infinite slope.

A direction is an array of numbers, so forwards a 0 in it meets the slopes on the way as any number
does, and 0·inf is nan. But what does not move hands nothing on, nor does what was not chosen.
Backwards it is left out; so that is where the numbers that were lost are looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import answers
from .kernels import np
from .points import Group, check_count

if TYPE_CHECKING:
    from .program import Program


def moved_forwards(
    program: Program, kind: answers.Kind, arrays: Sequence[Any], groups: Sequence[Group],
    threads: int, numbers: Any,
) -> list[Any] | None:  # fmt: skip
    """The derivatives of the outputs for all that groups hold, along a new first axis.

    None where it is better, or right, to go backwards: there are few outputs; or a 0, of what does
    not move or was not chosen, has met an infinite slope on the way.
    """
    count = len(program._outputs)
    if sum([group.size for group in groups]) >= count:
        return None
    check_count("arrays", arrays, program._groups)
    pairs = zip(arrays, program._groups, strict=True)
    axes = max([np().ndim(array) - len(group.tail) for array, group in pairs], default=0)
    given = [*arrays, *unit_directions(groups, axes)]
    moved = program._results(kind, given, threads, numbers, directions=groups)[-count:]
    if any(lost(moved)):
        values = program._results(answers.values, arrays, threads, numbers)
        return None if any(lost(moved, values)) else moved
    return moved


def unit_directions(groups: Sequence[Group], axes: int) -> list[Any]:
    """For each group the directions in which one number of all moves by 1, along a first axis."""
    counts = [group.size for group in groups]
    eye, found, first = np().eye(sum(counts)), [], 0
    for group, count in zip(groups, counts, strict=True):
        found.append(eye[:, first : first + count].reshape(len(eye), *[1] * axes, *group.tail))
        first += count
    return found


def columns(moved: Any, groups: Sequence[Group]) -> list[Any]:
    """What unit directions gave, by groups: of an array along the last axes."""
    moved, found, first = np().moveaxis(moved, 0, -1), [], 0
    for group in groups:
        part = moved[..., first : first + group.size]
        found.append(part.reshape((*moved.shape[:-1], *group.tail)))
        first += group.size
    return found


def lost(moved: Sequence[Any], values: Sequence[Any] | None = None) -> Iterator[bool]:
    """For each output whether a derivative is nan where its value, if that is given, is none."""
    for i, each in enumerate(moved):
        bad = np().isnan(each)
        yield bool(bad.any() if values is None else (bad & ~np().isnan(values[i])).any())


def along(
    slopes: Sequence[Sequence[Any]],
    directions: Sequence[Any],
    groups: Sequence[Group],
    moved: Sequence[Any],
) -> list[Any]:
    """What each output moves, where that was lost: the sum of slopes times what does not rest."""
    found = []
    for row, known in zip(slopes, moved, strict=True):
        total = np().zeros(np().shape(known))
        for slope, direction, group in zip(row, directions, groups, strict=True):
            with np().errstate(all="ignore"):
                terms = np().where(np().equal(direction, 0), 0.0, slope * np().asarray(direction))
                total += terms.sum(tuple(range(-len(group.tail), 0)))
        found.append(np().where(np().isnan(known), total, known))
    return found
