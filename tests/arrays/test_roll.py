"""How a program comes about: rules are written out once, and the garbage collector is left as it was."""

import gc
from collections.abc import Iterator

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value, ops
from tinygrad_lite.arrays.program import compile


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_compiling_leaves_the_garbage_collector_as_it_was(enabled: bool, collector: None) -> None:
    (gc.enable if enabled else gc.disable)()
    x = Value(1.0)
    compile(tl.sin(x), [x]).value_and_grad([1.0])
    assert gc.isenabled() == enabled


def test_a_rule_that_raises_leaves_the_garbage_collector_as_it_was(collector: None) -> None:
    bad = ops.declare("test_bad", lambda x: x, (lambda out, x: x / None,))
    x = Value(1.0)
    program = compile(bad(x), [x])
    with pytest.raises(TypeError):
        program.value_and_grad([1.0])
    assert gc.isenabled()
    del OPS["test_bad"]


def test_a_rule_is_run_once_however_many_nodes_have_it() -> None:
    runs = []

    def rule(out, x):
        runs.append(x)
        return 2 * x

    square = ops.declare("test_square", lambda x: x * x, (rule,), array=lambda x: x * x)
    x = Value(1.0)
    y = x
    for _ in range(5):
        y = square(y)
    value, (gradient,) = compile(y, [x]).value_and_grad([1.5])
    np.testing.assert_allclose([value, gradient], [[1.5**32], [32 * 1.5**31]], rtol=1e-13)
    assert len(runs) <= 2  # at the root the adjoint is 1, a number
    del OPS["test_square"]
