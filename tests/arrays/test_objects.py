"""NumPy's arrays of Values: arithmetic element by element, labels, and what is read back."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value

A = np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.5]])
B = np.array([2.0, 4.0, -0.5])


def test_values_are_leaves_with_labels_of_their_places() -> None:
    w = tl.values([[1, 2], [3, 4]], "w")
    assert (w.shape, w.dtype) == ((2, 2), np.dtype(object))
    assert [each.label for each in w.ravel()] == ["w[0,0]", "w[0,1]", "w[1,0]", "w[1,1]"]
    assert [each.label for each in tl.values([1.0, 2.0], "b")] == ["b[0]", "b[1]"]
    assert tl.values(2.0, "c")[()].label == "c"
    assert tl.values([1.0])[0].label is None
    assert tl.values(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("wrong", [["a"], [1j], [None], [Value(1.0)]])
def test_values_of_what_are_no_numbers_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="values: expected real numbers, got dtype"):
        tl.values(wrong)


BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "mod": lambda a, b: a % b,
    "floordiv": lambda a, b: a // b,
    "pow": lambda a, b: (a * a + 1) ** b,
    "maximum": lambda a, b: np.maximum(a, b),
    "hypot": lambda a, b: tl.hypot(a, b),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("left", ["values", "numbers"])
@pytest.mark.parametrize("shapes", [(A, B), (B, A), (A, 2.0), (2.0, A), (A, A[:, :1])], ids=range(5))
def test_binary_operations_broadcast(name: str, left: str, shapes: tuple[Any, Any]) -> None:
    one, other = shapes
    f = BINARY[name]
    expected = f(np.asarray(one, float), np.asarray(other, float))
    if left == "values":
        leaves = tl.values(one)
        got = f(leaves if leaves.shape else leaves[()], other)
    else:
        leaves = tl.values(other)
        got = f(one, leaves if leaves.shape else leaves[()])
    np.testing.assert_allclose(tl.data_of(got), expected)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "hypot"])
def test_gradients_through_broadcasting_are_sums(name: str) -> None:
    a, b = tl.values(A, "a"), tl.values(B, "b")
    BINARY[name](a, b).sum().backward()
    h = 1e-6
    for leaves, data, vary in ((a, A, lambda x: (x, B)), (b, B, lambda x: (A, x))):
        for place in np.ndindex(data.shape):
            up, down = data.copy(), data.copy()
            up[place] += h
            down[place] -= h
            slope = (BINARY[name](*vary(up)).sum() - BINARY[name](*vary(down)).sum()) / (2 * h)
            assert tl.grad_of(leaves)[place] == pytest.approx(slope, rel=1e-6)


def test_products_of_matrices() -> None:
    w, x = tl.values(A, "w"), tl.values(B, "x")
    y = w @ x
    np.testing.assert_allclose(tl.data_of(y), A @ B)
    (y * np.array([1.0, 10.0])).sum().backward()
    np.testing.assert_allclose(tl.grad_of(w), np.outer([1.0, 10.0], B))
    np.testing.assert_allclose(tl.grad_of(x), A.T @ [1.0, 10.0])
    np.testing.assert_allclose(tl.data_of(w @ B), A @ B)
    np.testing.assert_allclose(tl.data_of(np.tanh(w).T @ [1.0, 2.0]), np.tanh(A).T @ [1.0, 2.0])


@pytest.mark.parametrize(
    "f", [np.exp, np.tanh, np.sin, np.arctan, np.square, tl.exp, tl.sigmoid, tl.relu], ids=lambda f: getattr(f, "__name__", None) or f.name
)
def test_functions_of_one_argument(f: Any) -> None:
    np.testing.assert_allclose(tl.data_of(f(tl.values(A))), f(A))


def test_sums_means_and_extrema() -> None:
    a = tl.values(A)
    np.testing.assert_allclose(tl.data_of(a.sum(0)), A.sum(0))
    np.testing.assert_allclose(tl.data_of(a.mean(1)), A.mean(1))
    assert a.max().data == A.max()
    assert (a > 0).tolist() == (A > 0).tolist()
    assert [each.data for each in (a[0] > Value(0.0))] == [1.0, 0.0, 1.0]


def test_what_takes_a_list_of_values_takes_an_array() -> None:
    w, x = tl.values(A, "w"), tl.values(B, "x")
    loss = (np.tanh(w @ x) ** 2).sum()
    assert [each.data for each in tl.grad(loss, x)] == [each.data for each in tl.grad(loss, [*x])]
    assert np.shape(tl.jacobian(w @ x, x)) == (2, 3)
    assert np.shape(tl.hessian(loss, x)) == (3, 3)
    assert [p.data for p in tl.softmax(w @ x)] == pytest.approx([p.data for p in tl.softmax([*(w @ x)])])
    program = tl.compile(loss, [x])
    assert program(np.stack([B, 2 * B])).shape == (2,)
    optimizer = tl.nn.SGD(w, lr=0.01)
    before = loss.data
    loss.backward()
    optimizer.step()
    assert ((np.tanh(w @ x) ** 2).sum()).data < before
    ordered = tl.compile(loss, [x], parameters=w[::-1])
    assert ordered.parameters == [*w[::-1].ravel()]


def test_what_is_read_back_is_of_floats() -> None:
    mixed = np.array([Value(1.0), 2.0, 3], object)
    assert tl.data_of(mixed).tolist() == [1.0, 2.0, 3.0]
    assert tl.data_of([[Value(1.0)]]).tolist() == [[1.0]]
    (mixed[0] * 3).backward()
    assert tl.grad_of(mixed).tolist() == [3.0, 0.0, 0.0]
    assert tl.data_of(mixed).dtype == float
    with pytest.raises(TypeError, match="a Value holds one number, got str"):
        tl.data_of(np.array(["a"], object))


def test_a_value_beside_an_array_and_a_scalar_of_numpy() -> None:
    v = Value(3.0)
    assert [each.data for each in v * np.array([1.0, 2.0])] == [3.0, 6.0]
    assert [each.data for each in np.array([1, 2]) - v] == [-2.0, -1.0]
    assert (np.float64(2.0) ** v).data == 8.0
    assert (np.float32(0.5) * v + np.int64(1)).data == 2.5
    assert math.isclose(np.exp(v).data, math.exp(3.0))


@pytest.mark.parametrize(
    ("in_place", "new"),
    [
        (operator.iadd, operator.add),
        (operator.isub, operator.sub),
        (operator.imul, operator.mul),
        (operator.itruediv, operator.truediv),
        (operator.ifloordiv, operator.floordiv),
        (operator.imod, operator.mod),
        (operator.ipow, operator.pow),
    ],
)
def test_an_array_of_values_changes_in_place_and_one_of_floats_says_that_it_cannot(in_place: Any, new: Any) -> None:
    w, v = tl.values(np.abs(A)), Value(1.5)
    expected = tl.data_of(new(w, v))
    before = w
    w = in_place(w, v)
    assert w is before
    np.testing.assert_array_equal(tl.data_of(w), expected)
    w.sum().backward()
    assert v.grad != 0.0 or new in (operator.floordiv, operator.mod)
    with pytest.raises(TypeError, match="an array of float64 cannot hold Values; make a new array, or this one of objects"):
        in_place(np.ones(2), v)


def test_a_place_to_write_to_is_given_back() -> None:
    v, place = Value(2.0), np.empty(2, object)
    assert np.multiply(v, [1.0, 3.0], out=place) is place
    assert tl.data_of(place).tolist() == [2.0, 6.0]
    with pytest.raises(ValueError, match="broadcast"):
        np.multiply(v, [1.0, 3.0, 4.0], out=place)


def test_an_array_without_axes_is_the_value_in_it() -> None:
    x, v = tl.values(3.0, "x"), Value(2.0)
    assert x.shape == ()
    for y in (v * x, x * v, x * 2.0, 2.0 * x, tl.mul(x, v), tl.sum([x, x]), tl.maximum(x, v) * 2):
        assert isinstance(y, Value)
        assert y.data == 6.0
    (np.tensordot(tl.values(B, "b"), B, 1) * v).backward()
    assert v.grad == B @ B


def test_variances_and_lengths_have_derivatives() -> None:
    b = tl.values(B, "b")
    np.var(b).backward()
    np.testing.assert_allclose(tl.grad_of(b), 2 * (B - B.mean()) / 3)
    for f in (np.std, np.linalg.norm, lambda x: np.sqrt(np.vdot(x, x)), tl.norm):
        b = tl.values(B, "b")
        y = f(b)
        y.backward()
        assert y.data == pytest.approx(f(B), rel=1e-14)
        centred = B - B.mean() * (f is np.std)
        np.testing.assert_allclose(tl.grad_of(b), centred / y.data / (3 if f is np.std else 1))


def test_a_vectorized_function_may_give_an_array() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.array([[x, y], [y, x]]) @ np.array([x, 1.0])

    first, second = tl.vectorize(f)([1.0, 2.0], 3.0)
    assert (first.tolist(), second.tolist()) == ([4.0, 7.0], [4.0, 8.0])


def test_an_input_may_be_an_array_of_any_shape() -> None:
    rng = np.random.default_rng(0)
    w, x = tl.values(A, "w"), tl.values(B, "x")
    y, many = np.tanh(w @ x), [*(w @ x), *w.ravel(), *w.ravel(), *w.ravel()]
    ws, xs, moved = rng.normal(size=(5, *A.shape)), rng.normal(size=(5, *B.shape)), rng.normal(size=(5, *A.shape))
    as_array, as_list = ([tl.compile(each, [form, x]) for each in (y.sum(), y, many)] for form in (w, list(w.flat)))
    flat = ws.reshape(5, -1)
    for of_array, of_list in zip(as_array, as_list, strict=True):
        np.testing.assert_array_equal(of_array(ws, xs), of_list(flat, xs))
        np.testing.assert_array_equal(
            of_array.jvp([ws, xs], [moved, 0 * xs])[1], of_list.jvp([flat, xs], [moved.reshape(5, -1), 0 * xs])[1]
        )
    found, expected = as_array[0].value_and_grad(ws, xs)[1][0], as_list[0].value_and_grad(flat, xs)[1][0]
    assert found.shape == ws.shape
    np.testing.assert_array_equal(found.reshape(5, -1), expected)
    one, summed = as_array[0].value_and_grad(ws[0], xs)[1][0], as_list[0].value_and_grad(flat[0], xs)[1][0]
    np.testing.assert_array_equal(one, summed.reshape(A.shape))
    for i in (1, 2):  # back, and forth
        for found, expected in zip(as_array[i].jacobian(ws, xs), as_list[i].jacobian(flat, xs), strict=True):
            np.testing.assert_array_equal(found[0], expected[0].reshape(ws.shape))
    with pytest.raises(ValueError, match=r"expected an array of shape \(..., 2, 3\) for 6 Values, got shape \(5, 6\)"):
        as_array[0](flat, xs)


def test_parameters_in_an_order_of_ones_own_may_be_arrays() -> None:
    w, b, x = tl.values(A, "w"), tl.values([1.0, 2.0], "b"), tl.values(B, "x")
    loss = ((w @ x + b) ** 2).sum()
    program = tl.compile(loss, [x], parameters=[b, w])
    assert [each.label for each in program.parameters] == [each.label for each in [*b, *w.flat]]
    again = tl.compile(loss, [x], parameters=(each for each in [*b, *w.flat]))
    numbers = np.arange(8.0)
    found, expected = again.loss_and_grad(numbers, B), program.loss_and_grad(numbers, B)
    assert found[0] == expected[0] == pytest.approx((((numbers[2:].reshape(2, 3) @ B) + numbers[:2]) ** 2).sum())
    np.testing.assert_array_equal(found[1], expected[1])


# As HIPS autograd tests arithmetic: a value and an array, from both sides, with every operator.

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
    operator.mod, operator.floordiv, tl.atan2, tl.hypot, tl.maximum,
]  # fmt: skip
ARGUMENTS = [
    (0.7, [1.5, 2.25]),
    ([1.5, 2.25], 0.7),
    ([1.5, 2.25], [0.4, 3.5]),
    ([[1.5, 2.25]], [[0.4], [3.5]]),
    ([[1.5, 2.25], [0.5, 0.7]], [2.6, 0.6]),
]


def slopes(f: Any, arrays: list[Any], i: int, h: float = 1e-6) -> Any:
    """The derivatives of the sum of f for array i, by differences."""
    found = np.zeros(np.shape(arrays[i]))
    for place in np.ndindex(found.shape):
        step = np.zeros(found.shape)
        step[place] = h
        up, down = (np.sum(f(*arrays[:i], arrays[i] + s, *arrays[i + 1 :])) for s in (step, -step))
        found[place] = (up - down) / (2 * h)
    return found


@pytest.mark.parametrize("f", OPERATORS, ids=lambda f: getattr(f, "name", None) or f.__name__)
@pytest.mark.parametrize("which", ["both", "left", "right"])
@pytest.mark.parametrize("given", ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_arithmetic_of_arrays_has_the_values_and_derivatives_of_floats(f: Any, which: str, given: Any) -> None:
    numbers = [np.array(each) for each in given]
    args = [
        each if which == other else tl.values(each)
        for each, other in zip(numbers, ("right", "left"), strict=True)
    ]
    out = f(*args)
    np.testing.assert_allclose(tl.data_of(out), f(*numbers), rtol=1e-15)
    np.sum(out).backward()
    for i, each in enumerate(args):
        if each.dtype == object:
            np.testing.assert_allclose(tl.grad_of(each), slopes(f, numbers, i), rtol=1e-6, atol=1e-8)


def test_only_values_and_numbers_have_data_and_grad() -> None:
    def asked(x: object) -> object:
        tl.data_of([x])
        return x

    with pytest.raises(TypeError, match=r"^data_of: expected Values or numbers, got Traced$"):
        tl.vectorize(asked)([1.0])
