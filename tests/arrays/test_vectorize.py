"""`vectorize`: each point takes its own path, and nothing is frozen on the way."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value
from tinygrad_lite.arrays.program import Program, compile
from tinygrad_lite.arrays.vectorize import vectorize


def test_vectorized_gradients_have_the_shapes_of_the_arguments() -> None:
    g = vectorize(lambda x, y: x * y if x > y else x + y)
    values, (for_x, for_y) = g.value_and_grad(np.array([[1.0], [3.0]]), np.array([2.0, 0.5]))
    assert values.tolist() == [[3.0, 0.5], [6.0, 1.5]]
    assert for_x.tolist() == [[1.5], [2.5]]
    assert for_y.tolist() == [4.0, 4.0]


def test_a_closure_is_read_at_each_call() -> None:
    limit = [1.0]
    g = vectorize(lambda x: x if x < limit[0] else x * 0)
    assert g([0.5, 2.0]).tolist() == [0.5, 0.0]
    limit[0] = 3.0
    assert g([0.5, 2.0]).tolist() == [0.5, 2.0]


def test_what_computes_the_same_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []
    build = Program.__init__
    monkeypatch.setattr(Program, "__init__", lambda *args, **kwargs: compiled.append(1) or build(*args, **kwargs))
    limit, w = [1.0], Value(3.0)
    g = vectorize(lambda x: x * w if x < limit[0] else x * limit[0])
    assert g([0.5, 2.0]).tolist() == [1.5, 2.0]
    w.data, before = 5.0, len(compiled)
    assert g([0.25, 4.0, 0.5]).tolist() == [1.25, 4.0, 2.5]
    assert len(compiled) == before == 3
    limit[0] = 3.0
    assert g([2.0, 4.0]).tolist() == [10.0, 12.0]
    assert len(compiled) == 6
    w = Value(1.0)
    assert g([2.0, 4.0]).tolist() == [2.0, 12.0]


def halved_if_large(x: Any) -> Any:
    return x / 2 if x > 5 else x * 2


def test_a_vectorized_function_pickles_without_what_it_has_compiled() -> None:
    g = vectorize(halved_if_large)
    g([4.0, 9.0])
    assert pickle.loads(pickle.dumps(g))([4.0, 9.0]).tolist() == [8.0, 4.5]
    assert len(pickle.dumps(g)) == len(pickle.dumps(vectorize(halved_if_large)))


def test_what_a_vectorized_function_carries_is_its_own() -> None:
    class Scaled:
        def __init__(self) -> None:
            self._f, self._known, self._max_paths = 5.0, {}, "many"

        def __call__(self, x: Any) -> Any:
            return x * self._f

    assert vectorize(Scaled())([1.0, 2.0]).tolist() == [5.0, 10.0]


def test_a_guard_in_a_vectorized_function_leaves_a_value_of_the_closure_as_it_was() -> None:
    w, x = Value(2.0), Value(1.0)
    assert vectorize(lambda x: x * w if x > w else x)([1.0, 3.0]).tolist() == [1.0, 6.0]
    assert compile(x * w, [x])([4.0]).tolist() == [8.0]


@pytest.mark.parametrize("max_paths", [0, -1, 1.5, None, True])
def test_max_paths_is_a_whole_number(max_paths: Any) -> None:
    message = f"vectorize: expected max_paths to be a whole number >= 1, got {max_paths}"
    with pytest.raises((TypeError, ValueError), match=message):
        vectorize(abs, max_paths=max_paths)


def test_infinities_that_cancel_in_a_gradient_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, (for_x, for_y) = vectorize(lambda x, y: x * y).value_and_grad(1.0, [math.inf, -math.inf])
    assert for_x.shape == ()
    assert np.isnan(for_x)
    assert for_y.tolist() == [1.0, 1.0]


def test_vectorize_wants_a_function_that_returns_a_number() -> None:
    with pytest.raises(TypeError, match="vectorize: expected a function, got int"):
        vectorize(3)
    for wrong, kind in (({}, "dict"), ([[1.0]], "list"), ("1", "str")):
        message = f"vectorize: expected a function that gives a number, or a list of numbers, got {kind}"
        with pytest.raises(TypeError, match=message):
            vectorize(lambda x, wrong=wrong: wrong)([1.0])
    with pytest.raises(TypeError, match="vectorize: expected a function that gives numbers, got none"):
        vectorize(lambda x: [])([1.0])


def test_a_guard_that_depends_on_no_argument_holds_everywhere() -> None:
    w = Value(2.0)
    assert vectorize(lambda x: x * w if w > 0 else x)([1.0, 2.0]).tolist() == [2.0, 4.0]


def test_vectorize_of_no_points_is_empty() -> None:
    values, gradients = vectorize(lambda x: x if x > 0 else -x).value_and_grad([])
    assert values.shape == gradients[0].shape == (0,)


def parts(x: Any, y: Any = 2.0, *, n: int = 1) -> Any:
    return (x**n, y - x) if x > 1 else (-x, y * n)


def test_several_outputs_are_several_arrays() -> None:
    points = np.array([0.5, 2.0, 3.0])
    g = vectorize(parts)
    assert [each.tolist() for each in g(points)] == [[-0.5, 2.0, 3.0], [2.0, 0.0, -1.0]]
    values, gradients = g.value_and_grad(points, 5.0)
    assert [each.tolist() for each in values] == [[-0.5, 2.0, 3.0], [5.0, 3.0, 2.0]]
    assert [[np.asarray(each).tolist() for each in row] for row in gradients] == [
        [[-1.0, 1.0, 1.0], 0.0],
        [[0.0, -1.0, -1.0], 3.0],
    ]


def test_arguments_may_have_names() -> None:
    g = vectorize(parts)
    assert g([2.0], y=[5.0])[1].tolist() == [3.0]
    values, gradients = g.value_and_grad(x=[2.0], y=[5.0, 6.0])
    assert values[1].tolist() == [3.0, 4.0]
    assert [each.tolist() for each in gradients[1]] == [[-2.0], [1.0, 1.0]]


@pytest.mark.parametrize("static", ["n", ("n",), ["n"], {"n"}])
def test_what_is_static_is_given_as_it_is(static: Any) -> None:
    g = vectorize(parts, static=static)
    assert [each.tolist() for each in g([0.5, 2.0], n=3)] == [[-0.5, 8.0], [6.0, 0.0]]
    assert [each.tolist() for each in g([0.5, 2.0], n=2)] == [[-0.5, 4.0], [4.0, 0.0]]
    assert pickle.loads(pickle.dumps(g))([2.0], n=3)[0].tolist() == [8.0]


def test_a_static_argument_may_be_a_value() -> None:
    w = Value(3.0)
    assert vectorize(lambda x, w: w * x, static="w")([1.0, 2.0], w).tolist() == [3.0, 6.0]


def test_static_names_arguments_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"^vectorize: expected static to name some of \['x', 'n'\], got 'm'$"):
        vectorize(lambda x, n: x, static="m")
    assert vectorize(lambda x, **options: x * options["n"], static="n")([1.0], n=2).tolist() == [2.0]
    with pytest.raises(TypeError) as caught:
        vectorize(lambda x, mode: x)([1.0], mode="same")
    assert str(caught.value) == (
        "vectorize: expected argument 'mode' as real numbers, got dtype <U4; what is given as it is, name in static=['mode']"
    )


def test_of_dasks_arrays_a_function_gives_one_number() -> None:
    lazy = pytest.importorskip("dask.array").from_array(np.arange(4.0), chunks=2)
    with pytest.raises(TypeError, match=r"of Dask's arrays it gives one number, got 2; vectorize a function for each"):
        vectorize(lambda x: (x, -x))(lazy).compute()


def test_static_by_place_and_of_any_kind() -> None:
    g = vectorize(lambda x, mode: x if mode == "same" else -x, static=1)
    assert g([1.0, 2.0], "same").tolist() == [1.0, 2.0]
    assert g([1.0, 2.0], "other").tolist() == [-1.0, -2.0]
    with pytest.raises(TypeError, match="vectorize: expected at least one array, got none that is not static"):
        vectorize(lambda x: 1.0, static="x")(3.0)


def test_dask_arrays_stay_lazy() -> None:
    da = pytest.importorskip("dask.array", reason="dask is not installed")
    x = da.from_array(np.linspace(-2.0, 2.0, 10), chunks=4)
    lazy = vectorize(newton_or_square)(x, 3.0)
    assert isinstance(lazy, da.Array)
    expected = vectorize(newton_or_square)(np.linspace(-2.0, 2.0, 10), 3.0)
    assert lazy.compute(scheduler="sync").tolist() == expected.tolist()
    with pytest.raises(TypeError, match="vectorize: value_and_grad takes arrays, got Dask's"):
        vectorize(newton_or_square).value_and_grad(x, 3.0)


def newton_or_square(x: Any, y: Any) -> Any:
    return x * x if x > 0 else y - x


def test_a_vectorized_function_within_another_is_the_function_itself() -> None:
    size = vectorize(lambda x: x if x > 0 else -x)
    values, (slope,) = vectorize(lambda x: 2 * size(x - 1)).value_and_grad([0.0, 3.0])
    assert (values.tolist(), slope.tolist()) == ([2.0, 4.0], [-2.0, 2.0])
    x = Value(-3.0)
    size(x).backward()
    assert x.grad == -1.0


def test_a_function_without_a_signature_and_a_value_from_outside_work() -> None:
    np.testing.assert_array_equal(vectorize(max)([1.0, 5.0], [3.0, 2.0]), [3.0, 5.0])
    c = Value(4.0, "c")
    values, (slopes,) = vectorize(lambda x: c if x > 0 else x).value_and_grad([1.0, -1.0])
    np.testing.assert_array_equal(values, [4.0, -1.0])
    np.testing.assert_array_equal(slopes, [0.0, 1.0])
