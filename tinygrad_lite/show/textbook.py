"""Softmax and the losses made of it as a textbook has them: operations that only `whole.py` uses.

There is one for each place in a list of each length. Their rules are in the table's language, and
as accurate as what they stand for; their textbook rules are what is written.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import functional, ops
from ..op import Op
from ..ops import log, sigmoid, softplus
from ..support.template import Part


@dataclass(eq=False, repr=False)
class WholeOp(Op):
    """An operation of this module, not of the table."""

    brief: str | None = None
    """How it is written in a box of a picture, where it would be too long."""


@functools.cache
def softmax_at(i: int, count: int) -> Op:
    """exp(z_i)/Σ exp(z_k), as an operation on all z."""

    def partials(out: Any, *zs: Any) -> list[Any]:
        ps = functional.softmax(zs)
        return [out * _others(ps, i) if k == i else -(out * p) for k, p in enumerate(ps)]

    def textbook(out: Any, *zs: Any) -> list[Any]:
        return [
            out * (1 - out) if k == i else -(out * softmax_at(k, count)(zs)) for k in range(count)
        ]

    return WholeOp(
        f"softmax_{i}",
        lambda *zs: functional.softmax(zs)[i],
        partials,
        array=lambda *zs: functional.softmax(zs)[i],
        textbook=textbook,
        text=lambda zs: _share(zs, i),
        brief=f"exp({{{i}}})/Σ exp(z)",
        latex=lambda zs: _latex_share(zs, i),
        precedence=2,
        latex_precedence=3,
        lists=1,
    )


@functools.cache
def log_softmax_at(i: int, count: int) -> Op:
    """log(exp(z_i)/Σ exp(z_k)), as an operation on all z."""
    loss = cross_entropy_to(i, count)
    return WholeOp(
        f"log_softmax_{i}",
        lambda *zs: functional.log_softmax(zs)[i],
        lambda out, *zs: [-partial for partial in _slopes(loss, zs)],
        array=lambda *zs: functional.log_softmax(zs)[i],
        textbook=lambda out, *zs: [float(k == i) - softmax_at(k, count)(zs) for k in range(count)],
        text=lambda zs: f"log({_share(zs, i)})",
        brief=f"log(exp({{{i}}})/Σ exp(z))",
        latex=lambda zs: rf"\mathrm{{log}}\left({_latex_share(zs, i)}\right)",
        lists=1,
    )


@functools.cache
def cross_entropy_to(i: int, count: int) -> Op:
    """-log(exp(z_i)/Σ exp(z_k)), as an operation on all z."""

    def partials(out: Any, *zs: Any) -> list[Any]:
        ps = functional.softmax(zs)
        return [-_others(ps, i) if k == i else p for k, p in enumerate(ps)]

    return WholeOp(
        f"cross_entropy_{i}",
        lambda *zs: functional.cross_entropy(zs, i),
        partials,
        array=lambda *zs: functional.cross_entropy(zs, i),
        textbook=lambda out, *zs: [softmax_at(k, count)(zs) - float(k == i) for k in range(count)],
        text=lambda zs: f"-log({_share(zs, i)})",
        brief=f"-log(exp({{{i}}})/Σ exp(z))",
        latex=lambda zs: rf"-\mathrm{{log}}\left({_latex_share(zs, i)}\right)",
        precedence=1,
        lists=1,
    )


@functools.cache
def cross_entropy_of(classes: tuple[int, ...], count: int, sums_to_1: bool) -> Op:
    """-Σ y_k log p_k over some classes, as an operation on their y and on all z."""
    known = len(classes)

    def value(*args: Any) -> Any:
        losses = [functional.cross_entropy(args[known:], i) for i in classes]
        return ops.dot(args[:known], losses)

    def textbook(out: Any, *args: Any) -> list[Any]:
        ys, zs = args[:known], args[known:]
        ps = [softmax_at(k, count)(zs) for k in range(count)]
        wanted = dict(zip(classes, ys, strict=True))
        shares = ps if sums_to_1 else [p * ops.sum(ys) for p in ps]
        return [
            *(-log(ps[i]) for i in classes),
            *(p - wanted.get(k, 0.0) for k, p in enumerate(shares)),
        ]

    name = f"cross_entropy_{'_'.join(map(str, classes))}{'' if sums_to_1 else '_of'}"
    return WholeOp(
        name,
        value,
        lambda out, *args: _mixed_slopes(args[:known], classes, args[known:]),
        array=value,
        textbook=textbook,
        text=lambda args: _mixture(args[:known], [_share(args[known:], i) for i in classes]),
        latex=lambda args: _latex_mixture(
            args[:known], [_latex_share(args[known:], i) for i in classes]
        ),
        precedence=1,
        brief="-Σ y·log(exp(z)/Σ exp(z))",
    )


def _mixed_slopes(ys: Sequence[Any], classes: Sequence[int], zs: Sequence[Any]) -> list[Any]:
    ps = functional.softmax(zs)
    slopes = [functional.cross_entropy(zs, i) for i in classes]
    for k, p in enumerate(ps):
        others = [y for y, i in zip(ys, classes, strict=True) if i != k]
        mine = [y * _others(ps, k) for y, i in zip(ys, classes, strict=True) if i == k]
        slopes.append(p * _sum(others) - _sum(mine))
    return slopes


def _binary_loss(y: Any, z: Any) -> Any:
    return y * softplus(-z) + (1 - y) * softplus(z)


BINARY = WholeOp(
    "binary_cross_entropy",
    _binary_loss,
    (lambda out, y, z: -z, lambda out, y, z: (1 - y) * sigmoid(z) - y * sigmoid(-z)),
    array=_binary_loss,
    textbook=(lambda out, y, z: -z, lambda out, y, z: sigmoid(z) - y),
    text="-{0:1.5}·log(σ({1:0})) - (1 - {0:2})·log(1 - σ({1:0}))",
    latex=(
        r"-{0:1.5} \cdot \mathrm{{log}}(\sigma({1:0}))"
        r" - (1 - {0:2}) \cdot \mathrm{{log}}(1 - \sigma({1:0}))"
    ),
    precedence=1,
)


def _slopes(op: Op, zs: Sequence[Any]) -> list[Any]:
    return op.differentiate(None, zs, [True] * len(zs))


def _others(ps: Sequence[Any], i: int) -> Any:
    """1 - p_i, without cancellation."""
    return _sum([*ps[:i], *ps[i + 1 :]])


def _sum(xs: Sequence[Any]) -> Any:
    return ops.sum(xs) if xs else 0.0


MOST_POWERS = 4
"""How many terms of Σ exp(z_k) are written."""


def _few(terms: Sequence[str], ellipsis: str) -> list[str]:
    if len(terms) <= MOST_POWERS:
        return [*terms]
    return [*terms[: MOST_POWERS - 2], ellipsis, terms[-1]]


def _share(zs: Sequence[Part], i: int) -> str:
    powers = [f"exp({z:0})" for z in zs]
    return f"{powers[i]}/({' + '.join(_few(powers, '…'))})"


def _latex_share(zs: Sequence[Part], i: int) -> str:
    powers = [rf"\mathrm{{e}}^{{{z:0}}}" for z in zs]
    total = " + ".join(_few(powers, r"\cdots"))
    return rf"\frac{{{powers[i]}}}{{{total}}}"


def _mixture(ys: Sequence[Part], shares: Sequence[str]) -> str:
    terms = [f"{y:1.5}·log({share})" for y, share in zip(ys, shares, strict=True)]
    return _signed(terms, "…")


def _latex_mixture(ys: Sequence[Part], shares: Sequence[str]) -> str:
    logs = [rf"\mathrm{{log}}\left({share}\right)" for share in shares]
    terms = [rf"{y:1.5} \cdot {each}" for y, each in zip(ys, logs, strict=True)]
    return _signed(terms, r"\cdots")


def _signed(terms: Sequence[str], ellipsis: str) -> str:
    """-x - y."""
    return "-" + " - ".join(_few(terms, ellipsis))
