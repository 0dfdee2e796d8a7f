"""The plans of a program: each made when its answer is first asked for, kept when whole."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from .answers import Form, Kind
from .instruct import planned
from .kernels import uncollected
from .plan import Plan
from .roll import Rolled
from .run import Spare


class Prepared(NamedTuple):
    """The instructions for a kind of answer, the forms of its results, and spare memory."""

    plan: Plan
    forms: list[Form]
    spare: Spare


class Plans:
    """What is known of the answers that a rolled graph can give; threads may ask at once."""

    def __init__(self, rolled: Rolled) -> None:
        self.rolled = rolled
        self.known: dict[Kind, Prepared] = {}
        self.lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Plans, (self.rolled,)

    def of(self, kind: Kind) -> Prepared:
        """The instructions for an answer."""
        if kind in self.known:
            return self.known[kind]
        with self.lock:
            if kind not in self.known:
                self.known[kind] = self.made(kind)
            return self.known[kind]

    def made(self, kind: Kind) -> Prepared:
        """They, made; the graph is as it was before, also where an earlier one was interrupted."""
        graph = self.rolled.graph
        with uncollected():
            graph.restore()
            results, totals = kind(self.rolled)
            plan = planned(graph, [rows for rows, _ in results], totals)
            graph.restore()
            return Prepared(plan, [form for _, form in results], Spare())
