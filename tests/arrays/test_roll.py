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


def test_a_rule_is_run_once_for_alike_nodes() -> None:
    runs = []

    def rule(out, x):
        runs.append(x)
        return 2 * x

    square = ops.declare("test_square", lambda x: x * x, (rule,), array=lambda x: x * x)
    xs = [Value(float(i)) for i in range(20)]
    value, (gradient,) = compile(tl.sum([square(x) for x in xs]), [xs]).value_and_grad(np.arange(20.0))
    assert value == (np.arange(20) ** 2).sum()
    assert gradient.tolist() == [2.0 * i for i in range(20)]
    assert len(runs) == 1
    del OPS["test_square"]
