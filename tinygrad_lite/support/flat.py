"""A graph as a flat list of rows: pickled and copied without recursion, however deep it is."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

from .. import value


def rows_below(root: value.Value) -> list[Any]:
    """The graph as rows, arguments as places in the list.

    Leaves stand as objects: roots that are pickled together share them, and of an inner node that
    two of them have each gets its own.
    """
    order = value.topological_order(root)
    index = {node: i for i, node in enumerate(order)}
    rows: list[Any] = []
    for node in order:
        if node.args or node is root:
            rows.append((node._data, node.op, [index[arg] for arg in node.args], *_rest(node)))
        else:
            rows.append(node)
    return rows


def rebuilt(rows: list[Any]) -> value.Value:
    """The root of the graph that rows stand for."""
    order: list[value.Value] = []
    for row in rows:
        if not isinstance(row, value.Value):
            data, op, args, *rest = row
            row = value.node_of(data, op, [order[i] for i in args], *rest)
        order.append(row)
    return order[-1]


def twin(node: value.Value) -> value.Value:
    """A copy of the node alone, of the same arguments and attributes."""
    if type(node) is not value.Value:
        return _copied_leaf(node, {}, lambda x: x)
    return value.node_of(node._data, node.op, node.args, *_rest(node))


def copied(root: value.Value, memo: dict[int, Any]) -> value.Value:
    """A copy of the graph for `copy.deepcopy`, which shares what its memo has copied already."""
    for node in value.topological_order(root):
        if id(node) in memo:
            continue
        if type(node) is not value.Value:
            _copied_leaf(node, memo, functools.partial(copy.deepcopy, memo=memo))
            continue
        args = [memo[id(arg)] for arg in node.args]
        memo[id(node)] = value.node_of(node._data, node.op, args, *_rest(node))
    found: value.Value = memo[id(root)]
    return found


def _copied_leaf(
    leaf: value.Value, memo: dict[int, Any], kept: Callable[[Any], Any]
) -> value.Value:
    """A copy of a leaf of a derived class, with its attributes; it goes into the memo first."""
    make, args, state = leaf.__reduce_ex__(4)[:3]
    found: value.Value = make(*args)
    memo[id(leaf)] = found
    for attributes in state if isinstance(state, tuple) else (state,):
        for name, x in (attributes or {}).items():
            setattr(found, name, kept(x))
    return found


def _rest(node: value.Value) -> tuple[Any, ...]:
    return node.numbers, node.grad, node.label, node.branched
