"""`compile` and the face of a Program: outputs, print, pickles, and what is refused."""

from __future__ import annotations

import multiprocessing
import pickle
from typing import Any

import numpy as np
import pytest
from graphs import product

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays.program import Program, compile


def test_a_list_of_one_may_have_a_constant_derivative() -> None:
    x, w = Value(1.0), Value(2.0)
    values, (slopes,) = compile(x + w, [[x]]).value_and_grad([[1.0], [2.0]])
    assert (values.tolist(), slopes.tolist()) == ([3.0, 4.0], [[1.0], [1.0]])


def test_an_input_that_the_output_does_not_use_has_gradient_0() -> None:
    a, b, unused = Value(1.0), Value(2.0), [Value(3.0), Value(4.0)]
    _, (for_a, for_unused, for_b) = compile(a * 2, [a, unused, b]).value_and_grad([1.0, 2.0], np.ones((2, 2)), 5.0)
    assert for_a.tolist() == [2, 2]
    assert for_unused.tolist() == [[0, 0], [0, 0]]
    assert for_b == 0


def test_an_output_may_be_constant_or_an_input() -> None:
    a = Value(1.0)
    values, (slope,) = compile(a, [a]).value_and_grad([3.0, 4.0])
    assert (values.tolist(), slope.tolist()) == ([3.0, 4.0], [1.0, 1.0])
    constant = a**0
    values, (slope,) = compile(constant, [a]).value_and_grad([3.0, 4.0])
    assert (values.tolist(), slope.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_several_outputs_give_lists() -> None:
    a, b = Value(1.0), Value(2.0)
    program = compile([a * b, a + b, a], [a, b])
    assert [v.tolist() for v in program([3.0], [4.0])] == [[12.0], [7.0], [3.0]]
    values, gradients = program.value_and_grad([3.0], [4.0])
    assert len(values) == 3
    assert np.array(gradients)[..., 0].tolist() == [[4.0, 3.0], [1.0, 1.0], [1.0, 0.0]]
    with pytest.raises(TypeError, match="program: expected one output, got 3; compile their sum"):
        program.backward([1.0], [1.0])


def test_print_shows_instructions_and_len_counts_them() -> None:
    program = product()
    assert str(program).splitlines()[0] == "Program: 2 inputs, 0 parameters, 1 output, float64"
    assert len(program) == 3
    assert sum(" = " in line for line in str(program).splitlines()) == 3
    assert repr(program) == "<Program: 2 inputs, 0 parameters, 1 output, float64>"


def test_labels_are_text_only() -> None:
    x = Value(2.0, "__import__('os').abort()\n#")
    program = pickle.loads(pickle.dumps(compile(x * 2, [x])))
    assert program([4.0]).tolist() == [8.0]


def replay(program: Program, x: Any) -> tuple[float, list[float]]:
    return program.backward(x), [p.grad for p in program.parameters]


def test_a_program_works_in_a_spawned_process() -> None:
    w, x = Value(3.0), Value(1.0)
    program = compile(tl.tanh(w * x), [x])
    x = np.linspace(-1, 1, 5)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        value, gradients = pool.apply(replay, (program, x))
    assert value == program.backward(x)
    assert gradients == [w.grad]


def test_a_long_chain_compiles_and_pickles() -> None:
    x = y = Value(1.0)
    for _ in range(5_000):
        y = tl.sin(y) + 0.1
    program = pickle.loads(pickle.dumps(compile(y, [x])))
    y.backward()
    values, (slope,) = program.value_and_grad([1.0])
    assert values[0] == pytest.approx(y.data)
    assert slope[0] == pytest.approx(x.grad)


# Bad input


def test_a_list_of_no_inputs_and_half_a_thread_are_refused() -> None:
    x = Value(1.0)
    with pytest.raises(ValueError, match="compile: expected at least one Value in each list of inputs, got none"):
        compile(x * x, [x, []])
    with pytest.raises(TypeError, match=r"program: expected threads to be a whole number >= 1, got 1\.5"):
        compile(x * x, [x])(np.ones(100_000), threads=1.5)


def test_compile_says_what_is_wrong_with_its_arguments() -> None:
    a, b = Value(1.0, "a"), Value(2.0)
    product = a * b
    for output in (1.0, None, "x", [product, 2.0]):
        with pytest.raises(TypeError, match="compile: expected a Value as output"):
            compile(output, [a])
    with pytest.raises(ValueError, match="compile: expected at least one output, got none"):
        compile([], [a])
    with pytest.raises(TypeError, match="compile: expected a Value or a list of Values as input 1, got float"):
        compile(product, [a, 2.0])
    with pytest.raises(TypeError, match="compile: expected the inputs in a list, got Value"):
        compile(product, a)
    with pytest.raises(ValueError, match=r"compile: Value\(1.0, 'a'\) is given twice, the second time as input 1"):
        compile(product, [a, [b, a]])
    with pytest.raises(ValueError, match=r"compile: expected a leaf as input 0, got the result of mul, Value\(2.0\)"):
        compile(product + 1, [product])
    with pytest.raises(ValueError, match=r"compile: expected a leaf as input 1, got a constant, Value\(3.0\)"):
        compile(a * 3, [a, (a * 3).args[1]])
    with pytest.raises(ValueError, match="program: expected reduction 'mean' or 'sum', got 'max'"):
        compile(product, [a]).backward([1.0], reduction="max")
    with pytest.raises(ValueError, match="program: expected threads to be a whole number >= 1, got 0"):
        compile(product, [a])([1.0], threads=0)
    with pytest.raises(TypeError, match="compile: expected float64 or float32 as dtype, got 'int64'"):
        compile(product, [a], dtype=int)


def test_compile_refuses_a_graph_that_branched_and_names_the_way_out() -> None:
    x = Value(1.0, "x")
    y = x * 2 if x > 0 else x
    with pytest.raises(ValueError, match=r"branch on node 'x', which would be frozen; use tl.vectorize, or tl.where"):
        compile(y, [x])


def test_compile_refuses_inputs_of_what_a_branch_was_taken_on_outside_of_the_graph() -> None:
    def root(x: Any) -> Any:
        guess = x / 2
        while abs(guess * guess - x) > 1e-9:
            guess = (guess + x / guess) / 2
        return guess

    x = Value(2.0, "x")
    with pytest.raises(ValueError, match=r"a branch on what depends on node 'x', which would be frozen; use tl.vectorize"):
        compile(root(x), [x])
    assert tl.vectorize(root)([4.0, 81.0]).tolist() == pytest.approx([2.0, 9.0])


def test_a_loop_that_trained_until_the_loss_was_small_leaves_parameters_to_compile() -> None:
    w, x = Value(0.0, "w"), Value(1.0)
    loss = (w - 3) ** 2
    while loss > 1e-3:
        loss.backward()
        w.data, w.grad = w.data - 0.1 * w.grad, 0.0
        loss = (w - 3) ** 2
    assert compile(w * x, [x])(2.0) == 2 * w.data
    assert w > 0  # which is a branch on it
    with pytest.raises(ValueError, match="a branch on node 'w', which would be frozen"):
        compile(w * x, [x])
