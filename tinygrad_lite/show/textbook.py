"""Softmax and the losses made of it as a textbook has them: operations that only `whole.py` uses.

There is one for each place in a list of each length. Their rules are in the table's language, and
as accurate as what they stand for; their textbook rules and their formulas are what is written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import functional, ops
from ..op import Op, Rules
from ..ops import exp, log, sigmoid, softplus
from .naming import few

MOST_POWERS = 4
"""How many terms of Σ exp(z_k) are written."""


@dataclass(eq=False, repr=False)
class WholeOp(Op):
    """An operation of this module, not of the table."""

    formula: Callable[..., Any] = lambda rest, *args: None
    """How it is written, in operations of the table; `rest` stands for terms that are left out."""
    brief: str = "{0}"
    """How it is written in a box of a picture, where the formula would be too long."""


def _whole(
    name: str,
    value: Callable[..., Any],
    partials: Rules,
    textbook: Rules,
    formula: Callable[..., Any],
    brief: str,
) -> WholeOp:
    return WholeOp(
        name, value, partials, array=value, textbook=textbook, formula=formula, brief=brief
    )


@functools.cache
def softmax_at(i: int, count: int) -> WholeOp:
    """exp(z_i)/Σ exp(z_k), as an operation on all z."""
    return _whole(
        f"softmax_{i}",
        lambda *zs: functional.softmax(zs)[i],
        lambda out, *zs: [-(out * slope) for slope in _slopes(zs, i)],
        lambda out, *zs: [
            out * (1 - out) if k == i else -(out * p) for k, p in enumerate(_shares(zs))
        ],
        lambda rest, *zs: _share(zs, i, rest),
        f"exp({{{i}}})/Σ exp(z)",
    )


@functools.cache
def log_softmax_at(i: int, count: int) -> WholeOp:
    """log(exp(z_i)/Σ exp(z_k)), as an operation on all z."""
    return _whole(
        f"log_softmax_{i}",
        lambda *zs: functional.log_softmax(zs)[i],
        lambda out, *zs: [-slope for slope in _slopes(zs, i)],
        lambda out, *zs: [float(k == i) - p for k, p in enumerate(_shares(zs))],
        lambda rest, *zs: log(_share(zs, i, rest)),
        f"log(exp({{{i}}})/Σ exp(z))",
    )


@functools.cache
def cross_entropy_to(i: int, count: int) -> WholeOp:
    """-log(exp(z_i)/Σ exp(z_k)), as an operation on all z."""
    return _whole(
        f"cross_entropy_{i}",
        lambda *zs: functional.cross_entropy(zs, i),
        lambda out, *zs: _slopes(zs, i),
        lambda out, *zs: [p - float(k == i) for k, p in enumerate(_shares(zs))],
        lambda rest, *zs: -log(_share(zs, i, rest)),
        f"-log(exp({{{i}}})/Σ exp(z))",
    )


@functools.cache
def cross_entropy_of(classes: tuple[int, ...], count: int, sums_to_1: bool) -> WholeOp:
    """-Σ y_k log p_k over some classes, as an operation on their y and on all z."""
    known = len(classes)

    def losses(zs: Sequence[Any]) -> list[Any]:
        return [functional.cross_entropy(zs, i) for i in classes]

    def partials(out: Any, *args: Any) -> list[Any]:
        ys, zs = args[:known], args[known:]
        slopes = zip(*(_slopes(zs, i) for i in classes), strict=True)
        return [*losses(zs), *(ops.dot(ys, each) for each in slopes)]

    def textbook(out: Any, *args: Any) -> list[Any]:
        ys, ps = args[:known], _shares(args[known:])
        wanted = dict(zip(classes, ys, strict=True))
        shares = ps if sums_to_1 else [p * ops.sum(ys) for p in ps]
        slopes = [p - wanted.get(k, 0.0) for k, p in enumerate(shares)]
        return [*(-log(ps[i]) for i in classes), *slopes]

    def formula(rest: Any, *args: Any) -> Any:
        shares = [_share(args[known:], i, rest) for i in classes]
        terms = [y * log(p) for y, p in zip(args[:known], shares, strict=True)]
        return functools.reduce(ops.sub, few(terms[1:], rest, MOST_POWERS - 1), -terms[0])

    return _whole(
        f"cross_entropy_{'_'.join(map(str, classes))}{'' if sums_to_1 else '_of'}",
        lambda *args: ops.dot(args[:known], losses(args[known:])),
        partials,
        textbook,
        formula,
        "-Σ y·log(exp(z)/Σ exp(z))",
    )


BINARY = _whole(
    "binary_cross_entropy",
    lambda y, z: y * softplus(-z) + (1 - y) * softplus(z),
    (lambda out, y, z: -z, lambda out, y, z: (1 - y) * sigmoid(z) - y * sigmoid(-z)),
    (lambda out, y, z: -z, lambda out, y, z: sigmoid(z) - y),
    lambda rest, y, z: -(y * log(sigmoid(z))) - (1 - y) * log(1 - sigmoid(z)),
    "-{0}·log(σ({1})) - (1 - {0})·log(1 - σ({1}))",
)


def _slopes(zs: Sequence[Any], i: int) -> list[Any]:
    """p - y of the class i, without cancellation: p_i - 1 is the negative sum of the others."""
    ps = functional.softmax(zs)
    others = [*ps[:i], *ps[i + 1 :]]
    return [*ps[:i], -ops.sum(others) if others else -0.0, *ps[i + 1 :]]


def _shares(zs: Sequence[Any]) -> list[Any]:
    return [softmax_at(k, len(zs))(*zs) for k in range(len(zs))]


def _share(zs: Sequence[Any], i: int, rest: Any) -> Any:
    return exp(zs[i]) / ops.sum(few([exp(z) for z in zs], rest, MOST_POWERS))
