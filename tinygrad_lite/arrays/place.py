"""Where each node of a graph is kept: rows of a block of points, or memory for once a call.

A few passes: `homes` (which nodes are kept within another), `piled` and `direct_results` (where the
caller's arrays will not do, and where they will), `last_uses`, and `allocated`, which gives rows of
memory, those of nodes that are no longer needed again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .kernels import COMPARISONS
from .rows import LEAVES, REDUCED, VARYING, Row, Rows

WHOLE = {"matmul", "matmul.T", "outer"}
"""Functions of matrices, whose arguments are rows one below the other in memory."""
NOT_IN_PLACE = WHOLE | LEAVES | {"total", "inner", "pick", "where"}
NOT_IN_PLACE |= {f"where.{comparison}" for comparison in COMPARISONS}
"""Functions whose result may not take the memory of an argument."""

Homes = dict[Rows, Row]
"""For each node the one that its rows are kept in, and from which row on."""


class Places(NamedTuple):
    """For each home its first row, and how many rows there are for a block and once a call."""

    start: dict[Rows, int]
    height: int
    once: int


def homes(order: Sequence[Rows]) -> Homes:
    """Where nodes are kept: a view in its base, what a pick takes as a whole in its place there."""
    home: Homes = {}
    for node in order:
        base, first = home[node.args[0]] if node.function == "view" else (node, 0)
        home[node] = base, first + (node.detail if node.function == "view" else 0)
    within: dict[Rows, Row] = {}
    for pick in order:
        if pick.function == "pick":
            rows = [(home[source][0], home[source][1] + i) for source, i in pick.places]
            numbers = [(base.index << 32) + i for base, i in rows]
            for at, (base, i) in enumerate(rows):
                whole = [*range(numbers[at], numbers[at] + base.size)] if i == 0 else []
                if whole and numbers[at : at + base.size] == whole and _computed_in(pick, base):
                    within.setdefault(base, (pick, at))
    for node, (base, first) in home.items():
        if base in within:
            pick, at = within[base]
            home[node] = pick, at + first
    return home


def _computed_in(pick: Rows, base: Rows) -> bool:
    """Whether a node may be computed within a pick."""
    together = (base.phase == VARYING) == (pick.phase == VARYING)
    return together and base.function not in (LEAVES - {"input"}) | {"pick"}


def piled(order: Iterable[Rows], home: Homes) -> set[Rows]:
    """Homes whose rows a pick or a matrix takes: in our memory, not in an array of the caller's."""
    return {
        home[arg][0]
        for node in order
        for arg in node.args
        if node.function in WHOLE or (node.function == "pick" and arg.number is None)
    }


def last_uses(order: Sequence[Rows], home: Homes, wanted: Iterable[Rows]) -> dict[Rows, int]:
    """For each home the place in the order after which it is no longer needed."""
    last: dict[Rows, int] = {}
    for now, node in enumerate(order):
        for arg in node.args:
            last[home[arg][0]] = now
        last.setdefault(home[node][0], now)
    for node in wanted:
        last[home[node][0]] = len(order)
    return last


def direct_results(results: Sequence[Rows], home: Homes, piled: set[Rows]) -> set[Rows]:
    """Results that the last instruction can write where the caller wants them."""
    count = Counter(results)
    return {
        node
        for node in results
        if node.size == 1 and count[node] == 1 and node.phase == VARYING
        and home[node][0] is node and node not in piled
        and node.function not in LEAVES | WHOLE | {"pick"}
    }  # fmt: skip


def allocated(
    order: Sequence[Rows], home: Homes, last: dict[Rows, int], alone: set[Rows], piled: set[Rows]
) -> Places:
    """Rows of memory for every home; those that are `alone` share theirs with no other."""
    start: dict[Rows, int] = {}
    free: dict[int, list[int]] = defaultdict(list)
    dying: dict[int, list[Rows]] = defaultdict(list)
    height = once = 0
    for each, now in last.items():
        if each.phase == VARYING and each not in alone:
            dying[now].append(each)
    for now, node in enumerate(order):
        base, over = home[node][0], dying.get(now, [])
        if base not in start and (base.number is None or base in piled):
            size = base.size
            in_place = base is node and node.function not in NOT_IN_PLACE
            late: list[Rows] = []
            for each in over:
                if in_place and each.size == size and each in start:
                    free[size].append(start[each])
                else:
                    late.append(each)
            over = late
            if base.phase != VARYING:
                start[base] = once
                once += size
            elif base not in alone and free[size]:
                start[base] = free[size].pop()
            else:
                start[base] = height
                height += size
        for each in over:
            free[each.size].append(start[each])
    return Places(start, height, once)


def is_sum(node: Rows) -> bool:
    """Whether it is a sum over the points of a block."""
    return node.phase == REDUCED and node.function in ("outer", "total")
