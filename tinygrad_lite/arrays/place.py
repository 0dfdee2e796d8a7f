"""Where each node of a graph is kept: rows of a block of points, or memory for once a call.

Three passes: `homes` (which nodes are computed in their place within another), `last_uses`, and
`allocated`, which gives rows of memory, those of nodes that are no longer needed again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .kernels import COMPARISONS
from .rows import LEAVES, REDUCED, VARYING, Rows

NOT_IN_PLACE = {"outer", "total", "matmul", "matmul.T", "inner", "pick", "where"} | LEAVES
NOT_IN_PLACE |= {f"where.{comparison}" for comparison in COMPARISONS}
"""Functions whose result may not take the memory of an argument."""
WHOLE = {"matmul", "matmul.T", "outer"}
"""Functions of matrices, whose arguments are rows one below the other in memory."""


class Run(NamedTuple):
    """Rows of a pick that follow each other in one node: the first, where to, how many."""

    node: Rows
    first: int
    at: int
    size: int

    @property
    def whole(self) -> bool:
        """Whether it is all of the node."""
        return self.first == 0 and self.size == self.node.size


class Homes(NamedTuple):
    """For each node the one that its rows are kept in, and from which row on."""

    home: dict[Rows, Rows]
    offset: dict[Rows, int]
    runs: dict[Rows, list[Run]]
    """What a pick has to copy: the rows that are not computed in their place."""
    filled: dict[Rows, list[Run]]
    """The numbers among its rows, which are written once."""
    piled: set[Rows]
    """Nodes whose rows a pick or a matrix takes: in our memory, not in an array of the caller's."""


class Places(NamedTuple):
    """For each home its first row, and how many rows there are for a block and once a call."""

    start: dict[Rows, int]
    height: int
    once: int


def homes(order: Sequence[Rows]) -> Homes:
    """Where nodes are kept; what a pick takes as a whole is computed in its place there."""
    owner: dict[Rows, Rows] = {}
    offset: dict[Rows, int] = {}
    for node in order:
        seen_through = node.function == "view"
        base = node.args[0] if seen_through else node
        owner[node] = owner[base] if seen_through else node
        offset[node] = offset[base] + node.detail if seen_through else 0
    claimed: dict[Rows, Run] = {}
    claimer: dict[Rows, Rows] = {}
    runs: dict[Rows, list[Run]] = {}
    for node in order:
        if node.function == "pick":
            runs[node] = found = _runs(node, owner, offset)
            for run in found:
                if _computed_there(run, node) and run.node not in claimed:
                    claimed[run.node] = run
                    claimer[run.node] = node
    piled = {run.node for found in runs.values() for run in found if run.node.number is None}
    piled.update(owner[arg] for node in order if node.function in WHOLE for arg in node.args)
    home = {}
    for node, base in owner.items():
        home[node] = claimer.get(base, base)
        if base in claimed:
            offset[node] += claimed[base].at
    left = {
        node: [run for run in found if claimed.get(run.node) is not run]
        for node, found in runs.items()
    }
    numbers = {
        node: [run for run in found if run.node.number is not None] for node, found in left.items()
    }
    copied = {
        node: [run for run in found if run.node.number is None] for node, found in left.items()
    }
    return Homes(home, offset, copied, numbers, piled)


def _runs(pick: Rows, owner: dict[Rows, Rows], offset: dict[Rows, int]) -> list[Run]:
    runs: list[Run] = []
    for at, (node, i) in enumerate(pick.places):
        base, row = owner[node], offset[node] + i
        if (
            runs
            and runs[-1].node is base
            and runs[-1].first + runs[-1].size == row
            and base.size > 1
        ):
            runs[-1] = runs[-1]._replace(size=runs[-1].size + 1)
        else:
            runs.append(Run(base, row, at, 1))
    return runs


def _computed_there(run: Run, pick: Rows) -> bool:
    base = run.node
    together = (base.phase == VARYING) == (pick.phase == VARYING)
    return (
        run.whole
        and together
        and base.function not in ("pick", "constant", "constants", "parameters", "count")
    )


def last_uses(order: Sequence[Rows], homes: Homes, wanted: Iterable[Rows]) -> dict[Rows, int]:
    """For each home the place in the order after which it is no longer needed."""
    home, last = homes.home, dict[Rows, int]()
    for now, node in enumerate(order):
        for arg in node.args:
            last[home[arg]] = now
        last.setdefault(home[node], now)
    for node in wanted:
        last[home[node]] = len(order)
    return last


def direct_results(results: Sequence[Rows], homes: Homes) -> set[Rows]:
    """Results that the last instruction can write where the caller wants them."""
    count = Counter(results)
    return {
        node
        for node in results
        if node.size == 1 and count[node] == 1 and node.phase == VARYING
        and homes.home[node] is node and node not in homes.piled
        and node.function not in LEAVES | WHOLE | {"pick"}
    }  # fmt: skip


def allocated(
    order: Sequence[Rows], homes: Homes, last: dict[Rows, int], alone: set[Rows]
) -> Places:
    """Rows of memory for every home; those that are `alone` share theirs with no other."""
    start: dict[Rows, int] = {}
    free: dict[int, list[int]] = defaultdict(list)
    dying: dict[int, list[Rows]] = defaultdict(list)
    height = once = 0
    for each, now in last.items():
        if each.phase == VARYING and each not in alone and now < len(order):
            dying[now].append(each)
    given = [node for node in order if node.function == "input"]  # they are there before all else
    for now, node in enumerate([*given, *order], -len(given)):
        over = dying.get(now, [])
        home = homes.home[node]
        if home not in start and (home.number is None or home in homes.piled):
            size = home.size
            if over and home is node and node.function not in NOT_IN_PLACE:
                free[size] += [start[each] for each in over if each.size == size and each in start]
                over = [each for each in over if each.size != size or each not in start]
            if home.phase != VARYING:
                start[home] = once
                once += size
            elif now >= 0 and home not in alone and free[size]:
                start[home] = free[size].pop()
            else:
                start[home] = height
                height += size
        for each in over:
            free[each.size].append(start[each])
    return Places(start, height, once)


def summed_regions(
    order: Sequence[Rows], homes: Homes, start: dict[Rows, int]
) -> list[tuple[int, int]]:
    """Where the sums over the points of a block are, as few slices: first and last row."""
    regions: list[tuple[int, int]] = []
    found = [
        (start[homes.home[node]] + homes.offset[node], node.size) for node in order if is_sum(node)
    ]
    for first, size in sorted(found):
        if regions and regions[-1][1] == first:
            regions[-1] = (regions[-1][0], first + size)
        else:
            regions.append((first, first + size))
    return regions


def is_sum(node: Rows) -> bool:
    """Whether it is a sum over the points of a block."""
    return node.phase == REDUCED and node.function in ("outer", "total")
