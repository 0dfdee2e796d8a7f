"""What `compile` is given, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..op import constant
from ..support.checks import listed
from ..value import Value, topological_order


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a list or an array of Values; () of one Value, or of what is none."""
    return (len(x),) if isinstance(x, list | tuple) else tuple(getattr(x, "shape", ()))


def check_graph(outputs: Sequence[Any], groups: Sequence[Sequence[Any]]) -> list[Value]:
    """The nodes that outputs depend on, arguments first, if these can be a program's.

    Raises TypeError or ValueError for what no program has as outputs or inputs.
    """
    for i, output in enumerate(outputs):
        if not isinstance(output, Value):
            raise TypeError(f"compile: expected a Value as output {i}, got {type(output).__name__}")
    if not outputs:
        raise ValueError("compile: expected at least one output, got none")
    if not all(groups):
        raise ValueError("compile: expected at least one Value in each list of inputs, got none")
    seen: set[Value] = set()
    for i, value in ((i, value) for i, group in enumerate(groups) for value in group):
        _check_leaf("input", i, value)
        if value in seen:
            raise ValueError(f"compile: {value!r} is given twice, the second time as input {i}")
        seen.add(value)
    nodes = topological_order(*outputs)
    for node in nodes:
        # Of a parameter's results an `if` asks in every loop that trains: only inputs vary.
        if node.branched > (node not in seen):
            name = f"node {node.label[:60]!r}" if node.label else f"a node, {node!r}"
            what = name if node.branched == 2 else f"what depends on {name}"
            problem = f"the graph was recorded through a branch on {what}, which would be frozen"
            raise ValueError(f"compile: {problem}; use tl.vectorize, or tl.where")
    return nodes


def _check_leaf(what: str, i: int, value: Any) -> None:
    if not isinstance(value, Value):
        kind = type(value).__name__
        or_list = " or a list of Values" if what == "input" else ""
        raise TypeError(f"compile: expected a Value{or_list} as {what} {i}, got {kind}")
    if value.op is not None:
        got = "a constant" if value.op is constant else f"the result of {value.op.name}"
        raise ValueError(f"compile: expected a leaf as {what} {i}, got {got}, {value!r}")


def check_parameters(
    nodes: Iterable[Value], groups: Sequence[Sequence[Value]], parameters: Sequence[Value] | None
) -> list[Value] | None:
    """The parameters as a list, if they are all leaves that are no inputs, each once."""
    if parameters is None:
        return None
    named = [value for each in listed(parameters) for value in listed(each)]
    inputs = {value for group in groups for value in group}
    seen: set[Value] = set()
    for i, value in enumerate(named):
        _check_leaf("parameter", i, value)
        if value in seen:
            raise ValueError(f"compile: {value!r} is given twice, the second time as parameter {i}")
        if value in inputs:
            raise ValueError(f"compile: {value!r} is parameter {i} and an input")
        seen.add(value)
    for node in nodes:
        if node.op is None and node not in seen and node not in inputs:
            problem = "which is neither an input nor among the parameters"
            raise ValueError(f"compile: the output depends on {node!r}, {problem}")
    return named
