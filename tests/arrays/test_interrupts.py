"""A program survives Ctrl-C, or a MemoryError, at any line of planning and of a call: what it keeps is whole."""

from __future__ import annotations

import functools
import gc
import linecache
import pickle
import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Program, Value
from tinygrad_lite.arrays import answers
from tinygrad_lite.arrays.prepared import Plans


def formula() -> Program:
    x = Value(1.0)
    return tl.compile(x.exp() * x.sin(), [x])


def network() -> Program:
    xs, rows = [Value(0.1), Value(0.2)], [[Value(0.3 * i), Value(-0.2), Value(0.1)] for i in range(4)]
    hidden = [tl.relu(w * xs[0] + v * xs[1] + b) for w, v, b in rows]
    return tl.compile(tl.logsumexp(hidden) ** 2, [xs])


def choices() -> Program:
    x, w = Value(1.0), Value(2.0)
    return tl.compile(tl.where(x > w, tl.maximum(x, w * w), tl.sigmoid(x)) + tl.sum([w * w, x, x]), [x])


POINTS = {formula: ([0.5, 2.0],), network: ([[0.5, 2.0], [0.1, 0.3]],), choices: ([1.5, 2.5, 0.5],)}
CALLS: dict[str, Callable[..., Any]] = {
    "values": lambda program, *arrays: program(*arrays),
    "gradients": lambda program, *arrays: program.value_and_grad(*arrays)[1],
    "totals": lambda program, *arrays: program.loss_and_grad([p.data for p in program.parameters], *arrays)[1],
    "jvp": lambda program, *arrays: program.jvp(arrays, arrays)[1],
}


class Moment(NamedTuple):
    """When a line of the package is run for the n-th time."""

    code: CodeType
    line: int
    n: int


def traced(call: Callable[[], Any], trace: Callable[[FrameType, str, Any], Any]) -> None:
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)


def moments(call: Callable[[], Any]) -> list[Moment]:
    """The first and the last time of each line. Of a `with` the first: it is run again where it ends, and there an
    exception of a trace comes before a lock is given back, where CPython looks for no signal."""
    times: Counter[tuple[CodeType, int]] = Counter()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if "tinygrad_lite" not in frame.f_code.co_filename:
            return None
        if event == "line":
            times[frame.f_code, frame.f_lineno] += 1
        return trace

    traced(call, trace)
    return [
        Moment(code, line, n)
        for (code, line), count in times.items()
        for n in ({1} if linecache.getline(code.co_filename, line).lstrip().startswith("with ") else {1, count})
    ]


def interrupt(call: Callable[[], Any], moment: Moment, error: type[BaseException]) -> None:
    """Call, and raise an error at a moment. Only frames of its code are traced, which is fast."""
    left = moment.n

    def within(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if event == "line" and frame.f_lineno == moment.line:
            left -= 1
            if not left:
                raise error
        return within

    traced(call, lambda frame, *_: within if frame.f_code is moment.code else None)


def check(make: Callable[[], Program], kind: str, error: type[BaseException], every: int = 1) -> None:
    stored, arrays, call = pickle.dumps(make()), [np.array(each) for each in POINTS[make]], CALLS[kind]
    expected = call(pickle.loads(stored), *arrays)
    program: Program = pickle.loads(stored)
    for moment in moments(functools.partial(call, program, *arrays))[::every]:
        program = pickle.loads(stored)
        with pytest.raises(error):
            interrupt(functools.partial(call, program, *arrays), moment, error)
        gc.enable()  # as the next interrupt needs it: this one may have come before it was given back
        np.testing.assert_array_equal(call(program, *arrays), expected)


each_graph = pytest.mark.parametrize("make", POINTS, ids=lambda make: make.__name__)
each_kind = pytest.mark.parametrize("kind", CALLS)


@each_kind
@each_graph
def test_a_program_that_was_interrupted_is_right_afterwards(make: Callable[[], Program], kind: str) -> None:
    check(make, kind, KeyboardInterrupt, every=13)


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@each_kind
@each_graph
def test_a_program_that_was_interrupted_anywhere_is_right_afterwards(
    make: Callable[[], Program], kind: str, error: type[BaseException]
) -> None:
    check(make, kind, error)


def careless(plans: Plans, kind: answers.Kind) -> Any:
    """What keeps a plan before it is the right one."""
    if kind not in plans.known:
        plans.known[kind] = plans.made(answers.values)
        plans.known[kind] = plans.made(kind)
    return plans.known[kind]


def test_the_check_finds_what_an_interrupt_leaves_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plans, "of", careless)
    with pytest.raises((AssertionError, LookupError, ValueError)):
        check(formula, "gradients", KeyboardInterrupt)
