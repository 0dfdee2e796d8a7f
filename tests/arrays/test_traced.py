"""What `vectorize` records on: what would freeze a number is refused, and all else is followed."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays.vectorize import vectorize


def by_backward(x: Any) -> Any:
    y = x * x
    y.backward()
    return x.grad


FREEZES = {
    "data": lambda x: x * x.data,
    "backward": by_backward,
    "partials": lambda x: (x * x).partials()[0],
    "numbers": lambda x: (x * x).numbers[0],
    "terms": lambda x: (x * x).terms(1.0)[0],
    "item": lambda x: x.item(),
    "args": lambda x: (x * x).args[0],
    "min of data": lambda x: min(x.data, 1.0),
    "steps": lambda x: tl.steps(x * x)[0].value,
    "explain": lambda x: len(str(tl.explain(x * x))),
    "draw": lambda x: len(tl.draw(x * x).source),
    "set": lambda x: x + 1 if x in {1.0, 2.0} else x - 1,
    "dict": lambda x: {1.0: 10.0}.get(x, 0.0) + x,
    "hash": lambda x: x * hash(x),
    "str": lambda x: x * len(str(x)),
    "repr": lambda x: x * len(repr(x)),
    "format": lambda x: x * float(f"{x:.1f}"),
    "float": lambda x: x * float(x),
    "int": lambda x: x * int(x),
    "round": lambda x: x * round(x),
    "complex": lambda x: x * complex(x).real,
    "math": lambda x: math.exp(x),
    "floor": lambda x: x * math.floor(x),
    "array": lambda x: np.zeros(1).__setitem__(0, x),
    "Value": lambda x: Value(x) * 2,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "topological order": lambda x: len(tl.topological_order(x)) * x,
}


@pytest.mark.parametrize("freeze", FREEZES)
def test_what_would_freeze_a_number_is_refused(freeze: str) -> None:
    with pytest.raises((TypeError, AttributeError)) as caught:
        vectorize(FREEZES[freeze])([1.0, 2.0, 3.0])
    assert isinstance(caught.value, TypeError) or freeze == "topological order"


def test_the_refusal_says_what_to_write() -> None:
    for f, message in (
        (lambda x: x * x.data, r"vectorize: \.data would be frozen for all points; compute with the argument itself"),
        (lambda x: math.exp(x), r"the number of an argument would be frozen for all points; keep it as it is: tl\.exp\(x\)"),
        (lambda x: x in {1.0}, "vectorize: what a set or a dict finds for it would be frozen for all points; compare, x == 1.0"),
        (lambda x: str(x), "vectorize: its text would be frozen for all points; print outside of the function"),
        (lambda x: pickle.dumps(x), "vectorize: its pickle would be frozen for all points; pickle outside of the function"),
    ):
        with pytest.raises(TypeError, match=message):
            vectorize(f)([1.0])


CAN_BE_FOLLOWED = {
    "np.exp": (lambda x: np.exp(x), math.exp),
    "tuple": (lambda x: x + 1 if x in (1.0, 2.0) else x - 1, lambda x: x + 1 if x in (1.0, 2.0) else x - 1),
    "copy": (lambda x: copy.copy(x) * copy.deepcopy([x])[0], lambda x: x * x),
    "named": (lambda x: (x * x).named("y") + 1, lambda x: x * x + 1),
    "detach": (lambda x: x.detach() * x, lambda x: x * x),
    "softmax": (lambda x: tl.softmax([x, 2 * x, 1.0])[0], lambda x: tl.softmax([x, 2 * x, 1.0])[0]),
    "cross_entropy": (lambda x: tl.cross_entropy([x, 0.0], 0), lambda x: tl.cross_entropy([x, 0.0], 0)),
    "max": (lambda x: max(x, 2.0) * sorted([x, 0.5])[0], lambda x: max(x, 2.0) * min(x, 0.5)),
    "sum": (lambda x: sum([x, x]) + tl.mean([x, 1.0]), lambda x: 2 * x + (x + 1) / 2),
    "mod": (lambda x: x % 2 + x // 2, lambda x: x % 2 + x // 2),
    "array": (lambda x: (np.array([1.0, 2.0]) * x).sum(), lambda x: 3 * x),
    "jvp": (lambda x: tl.jvp(lambda y: y * y, [x], [1.0])[1], lambda x: 2 * x),
}


@pytest.mark.parametrize("name", CAN_BE_FOLLOWED)
def test_what_can_be_followed_is(name: str) -> None:
    f, plain = CAN_BE_FOLLOWED[name]
    points = [0.25, 1.0, 2.0, 3.5]
    assert vectorize(f)(points) == pytest.approx([plain(x) for x in points], rel=1e-12)


def test_a_number_that_another_run_kept_is_refused() -> None:
    kept = []

    def with_the_first(x: Any) -> Any:
        kept.append(x)
        return kept[0] * x if x > 0 else x

    with pytest.raises(TypeError, match=r"^vectorize: a number that another run of a function kept would be frozen"):
        vectorize(with_the_first)([-1.0, 1.0])
    for use in (lambda x: kept[0], lambda x: x if kept[0] > 0 else -x, lambda x: x if kept[0] else -x):
        with pytest.raises(TypeError, match=r"; give it as an argument$"):
            vectorize(use)([1.0, 2.0])
    with pytest.raises(TypeError, match="kept would be frozen"):
        vectorize(lambda x: vectorize(lambda y: x * y)([1.0, 2.0])[0])([1.0, 2.0])


def test_lines_that_are_equal_are_one() -> None:
    f = vectorize(lambda x: (x * x + 1) / (x * x + 1) if x * x > 2 else x * x)
    assert f([1.0, 2.0]).tolist() == [1.0, 1.0]
    (small, large) = sorted([len(path.recording.lines) for path in f._known.values()])
    assert (small, large) == (4, 7)  # x, x * x, 2 and the comparison; then 1, the sum and the quotient


def test_what_is_computed_from_values_alone_makes_no_new_path() -> None:
    w = Value(2.0)
    f = vectorize(lambda x: x * (w * 3 + 1) if x > w * w else x)
    for numbers in ((2.0, 3.0), (0.5, 10.0)):
        w.data = numbers[0]
        assert f([numbers[1], numbers[1] + 1]).tolist() == [
            x * (w.data * 3 + 1) if x > w.data**2 else x for x in (numbers[1], numbers[1] + 1)
        ]
    assert len(f._known) == 2
    other = Value(2.0)  # with the same number: it may get another
    g = vectorize(lambda x, of_other: x * (other if of_other else w), static="of_other")
    g([1.0], of_other=True)
    g([1.0], of_other=False)
    assert len(g._known) == 2


def test_an_error_names_the_arguments_and_values_that_it_met() -> None:
    w = Value(-3.0, "w")
    for f, message in (
        (lambda x: tl.log(x), r"^log\(-1\.0\): expected x > 0 \(node 'x'\)$"),
        (lambda x: tl.log(x * 1.0 + 0.0), r"^log\(-1\.0\): expected x > 0$"),
        (lambda x: (w * 1.0) ** (x / 2), r"^pow\(-3\.0, -0\.5\)"),
        (lambda x: w ** (x / 2), r"^pow\(-3\.0, -0\.5\): .* \(node 'w'\)$"),
    ):
        with pytest.raises(ValueError, match=message):
            vectorize(f)([-1.0])
