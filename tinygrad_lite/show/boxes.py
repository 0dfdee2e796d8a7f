"""Which nodes of a graph share a box of its picture: those of a group, and what is cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from ..op import constant
from ..support.checks import check_whole
from ..value import Value
from .naming import short
from .steps import Forward

GroupBy = str | Callable[[Value], Hashable | None] | None
_MORE = object()
READABLE = 300
"""How many boxes a picture may have."""
DRAW_LESS = "draw a part with depth=4, or collapse nodes with group='.'"


class Box:
    """A box with its id, the steps of its nodes and, if it is that of many, its title."""

    def __init__(self, id: str, title: str | None) -> None:
        self.id = id
        self.title = title
        self.steps: list[Forward] = []

    @property
    def single(self) -> Forward | None:
        """The node that it is the box of, if it is not that of many."""
        return self.steps[0] if self.title is None else None


def homes(
    order: Sequence[Value], steps: Sequence[Forward], group: GroupBy, depth: int | None
) -> list[Box]:
    """The box that each node is in. Raises ValueError for more boxes than can be read."""
    args = {
        node: [order[arg.index] for arg in step.args]
        for node, step in zip(order, steps, strict=True)
    }
    keys = _groups(args, group) | _cut(args, depth)
    shared: dict[Hashable, Box] = {_MORE: Box("more", "…")}
    found = []
    for node, step in zip(order, steps, strict=True):
        if (key := keys.get(node)) is None:
            box = Box(f"n{step.index}", None)
        else:
            box = shared.setdefault(key, Box(f"g{len(shared) - 1}", short(str(key))))
        box.steps.append(step)
        found.append(box)
    if (count := len(set(found))) > READABLE:
        raise ValueError(
            f"draw: {count} boxes, more than the {READABLE} that can be read; {DRAW_LESS}"
        )
    return found


def _groups(args: Mapping[Value, Sequence[Value]], group: GroupBy) -> dict[Value, Hashable]:
    """What the box of each grouped node is called; one node alone is no group."""
    if group is None:
        return {}
    if not (callable(group) or (isinstance(group, str) and group)):
        expected = "a separator such as '.' or a function of a node as the group"
        raise TypeError(f"draw: expected {expected}, got {group!r}")
    keys: dict[Value, Hashable] = {}
    for node, mine in args.items():
        key = group(node) if callable(group) else (node.label or "").rpartition(group)[0] or None
        keys[node] = _inherited(mine, keys) if key is None and not node.label else key
        keys |= {arg: keys[node] for arg in mine if arg.op is constant}
    sizes = Counter(keys.values())
    return {node: key for node, key in keys.items() if key is not None and sizes[key] > 1}


def _inherited(args: Sequence[Value], keys: Mapping[Value, Hashable]) -> Hashable:
    # A neuron is known by its parameters: its inputs may come from other neurons.
    found = {keys[arg] for arg in args if arg.op is None} - {None}
    found = found or {keys[arg] for arg in args if arg.op is not constant}
    return found.pop() if len(found) == 1 else None


def _cut(args: Mapping[Value, Sequence[Value]], depth: int | None) -> dict[Value, Hashable]:
    """The nodes that are more than `depth` edges from the root; they share one box."""
    if depth is None:
        return {}
    depth = check_whole("draw", "depth", depth, 0)
    *_, root = args
    distance = {root: 0}
    for node in reversed([*args]):  # a node comes after all its users
        for arg in args[node]:
            distance[arg] = min(distance.get(arg, distance[node] + 1), distance[node] + 1)
    return {node: _MORE for node in args if distance[node] > depth}
