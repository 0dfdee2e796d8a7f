"""Programs past one array in one process: over Dask arrays, in threads, in other people's pools."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import routes

import tinygrad_lite as tl
import tinygrad_lite.arrays.dask
from tinygrad_lite import Program, Value
from tinygrad_lite.arrays import answers
from tinygrad_lite.arrays.prepared import Plans

NEEDS = 'Dask is not installed: pip install "tinygrad_lite[distributed]"'


@pytest.fixture(name="da")
def dask_array() -> Any:
    return pytest.importorskip("dask.array", reason=NEEDS)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason=NEEDS)
    options = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1GiB", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(host="127.0.0.1", **options) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    """What all in a test runs on, in two processes; the tests after it run without."""
    from distributed import Client

    with Client(cluster) as client:
        yield client


class Logistic:
    """A regression of 4 features: its program, its parameters, and points for it."""

    def __init__(self, points: int = 1003, dtype: Any = float) -> None:
        rng = np.random.default_rng(0)
        self.parameters = [Value(w, f"w{i}") for i, w in enumerate((0.3, -0.2, 0.5, 0.1, 0.7))]
        xs, y = [Value(0.0) for _ in range(4)], Value(0.0, "y")
        *ws, b = self.parameters
        self.program = tl.compile(tl.binary_cross_entropy(tl.dot(ws, xs) + b, y), [xs, y], dtype=dtype)
        features = rng.normal(size=(points, 4))
        self.arrays = features, (rng.random(points) < 1 / (1 + np.exp(-features.sum(1)))).astype(float)

    def backward(self, *arrays: Any, **options: Any) -> tuple[float, ...]:
        """What `backward` returns, and what it adds to each `grad`."""
        for parameter in self.parameters:
            parameter.grad = 0.0
        return self.program.backward(*arrays, **options), *(parameter.grad for parameter in self.parameters)


def flat(results: Any) -> list[Any]:
    """Arrays out of nested lists."""
    return list(itertools.chain.from_iterable(map(flat, results))) if isinstance(results, list | tuple) else [results]


def assert_equal(lazy: Any, expected: Any, rtol: float = 1e-12) -> None:
    for each, other in zip(flat(lazy), flat(expected), strict=True):
        computed = np.asarray(each.compute())
        assert each.shape == computed.shape == np.shape(other)
        assert each.dtype == computed.dtype == np.asarray(other).dtype
        np.testing.assert_allclose(computed, other, rtol, atol=1e-15)


CHUNKS = [((100, 4), 100), ((100, 3), 77), ((1003, 1), 59), (((1, 0, 1000, 2), 4), 334), ((500, 4), ((3, 1000),))]


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_any_chunks_give_what_one_process_gives(da: Any, chunks: Any) -> None:
    model = Logistic()
    lazy = [da.from_array(array, chunks=cut) for array, cut in zip(model.arrays, chunks, strict=True)]
    assert_equal(model.program(*lazy), model.program(*model.arrays))
    assert_equal(model.program.value_and_grad(*lazy), model.program.value_and_grad(*model.arrays))
    for reduction in ("mean", "sum"):
        one, many = model.backward(*model.arrays, reduction=reduction), model.backward(*lazy, reduction=reduction)
        np.testing.assert_allclose(many, one, 1e-12)


SHAPES = [((7, 5), (5,)), ((7, 1), (1, 5)), ((1,), (6,)), ((), (4,)), ((), ()), ((3, 1, 4), (2, 1)), ((0,), (0,)), ((0,), ())]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_points_of_any_shape_broadcast_and_several_outputs_stay_apart(da: Any, shapes: Any) -> None:
    rng = np.random.default_rng(1)
    a, b, cs = Value(1.0), Value(2.0), [Value(0.5), Value(0.25)]
    program = tl.compile([a * b + cs[0], tl.dot(cs, [a / b, b])], [a, cs, b])
    one, other = (rng.random(shape) + 1 for shape in shapes)
    arrays = [one, rng.random((*other.shape, 2)), other]
    lazy = [da.from_array(array, chunks=size) for array, size in zip(arrays, (2, 1, 3), strict=True)]
    assert_equal(program(*lazy), program(*arrays))
    assert_equal(program.value_and_grad(*lazy), program.value_and_grad(*arrays))


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_give_what_they_give_over_arrays(da: Any, seed: int) -> None:
    graph = routes.drawn(seed)
    leaves = [Value(x) for x in graph.point]
    program = tl.compile(graph(*leaves), leaves)
    columns = np.array(routes.points_of(graph, routes.ORDINARY)).T
    lazy = [da.from_array(column, chunks=5) for column in columns]
    assert_equal(program.value_and_grad(*lazy), program.value_and_grad(*columns))


def test_numpy_arrays_and_numbers_join_dask_arrays(da: Any) -> None:
    model = Logistic()
    features, labels = model.arrays
    lazy = da.from_array(features, chunks=100)
    assert_equal(model.program.value_and_grad(lazy, labels), model.program.value_and_grad(features, labels))
    assert_equal(model.program.value_and_grad(lazy, 1.0), model.program.value_and_grad(features, 1.0))
    np.testing.assert_allclose(model.backward(lazy, 1), model.backward(features, 1), 1e-12)


def test_lazy_results_have_no_place_to_go(da: Any) -> None:
    x = Value(1.0)
    with pytest.raises(TypeError, match=r"^program: out: results over Dask's arrays are lazy; leave it out$"):
        tl.compile(x * x, [x])(da.ones(4, chunks=2), out=np.empty(4))


def test_inputs_of_several_axes_are_for_arrays_of_numpy(da: Any) -> None:
    w = tl.values([[1.0, 2.0]])
    with pytest.raises(TypeError, match=r"^program: Dask's arrays cannot stand for an array of Values .* with its ravel"):
        tl.compile((w * w).sum(), [w])(da.ones((4, 1, 2), chunks=1))
    program = tl.compile((w * w).sum(), [w.ravel()])
    assert program(da.ones((4, 1, 2), chunks=1).reshape(4, 2)).compute().tolist() == [2.0] * 4


def test_float32_stays_float32(da: Any) -> None:
    model = Logistic(dtype="float32")
    lazy = [da.from_array(array.astype("float32"), chunks=100) for array in model.arrays]
    results = model.program.value_and_grad(*lazy)
    assert {each.dtype.name for each in flat(results)} == {"float32"}
    assert_equal(results, model.program.value_and_grad(*model.arrays), rtol=1e-5)
    np.testing.assert_allclose(model.backward(*lazy), Logistic().backward(*model.arrays), 1e-5)


def test_infinities_that_cancel_in_a_sum_warn_of_nothing(da: Any) -> None:
    w, x = Value(1.0), Value(1.0)
    program = tl.compile(w * x, [x])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program.backward(da.from_array(np.array([math.inf, -math.inf]), chunks=1))
    assert math.isnan(w.grad)


def test_of_no_points_the_sum_is_0_and_the_mean_nan(da: Any) -> None:
    model = Logistic(points=0)
    lazy = [da.from_array(array, chunks=10) for array in model.arrays]
    np.testing.assert_array_equal(model.backward(*lazy, reduction="sum"), 0.0)
    np.testing.assert_array_equal(model.backward(*lazy), [np.nan, 0, 0, 0, 0, 0])


class Counted:
    """Dask arrays whose blocks of rows are made when needed, and which were made."""

    def __init__(self, da: Any, arrays: Any, size: int) -> None:
        self.made: list[int] = []
        self.lazy = [self.array(da, array, size) for array in arrays]

    def array(self, da: Any, array: Any, size: int) -> Any:
        def block(block_info: Any = None) -> Any:
            (start, stop), *_ = block_info[None]["array-location"]
            self.made.append(start)
            return array[start:stop]

        chunks = ((size,) * (len(array) // size), *((n,) for n in array.shape[1:]))
        return da.map_blocks(block, chunks=chunks, dtype=float, meta=array[:0])


@pytest.fixture(name="replays")
def count_replays(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    replays, computed = [], Program._computed
    monkeypatch.setattr(Program, "_computed", lambda *args: replays.append(args[1]) or computed(*args))
    return replays


def test_nothing_is_computed_before_it_is_asked_for_and_then_once(da: Any, replays: list[Any]) -> None:
    import dask

    model = Logistic(points=1000)
    counted = Counted(da, model.arrays, 100)
    value, (slopes, others) = model.program.value_and_grad(*counted.lazy)
    values = model.program(*counted.lazy)
    assert (counted.made, replays) == ([], [])
    dask.compute(value, slopes, others, value.sum() + others.mean())
    assert sorted(counted.made) == sorted([*range(0, 1000, 100)] * 2)
    assert replays == [answers.gradients] * 10
    values.compute()
    assert replays[10:] == [answers.values] * 10


def test_backward_computes_each_block_once(da: Any, replays: list[Any]) -> None:
    model = Logistic(points=1000)
    counted = Counted(da, model.arrays, 100)
    model.program.backward(*counted.lazy)
    assert sorted(counted.made) == sorted([*range(0, 1000, 100)] * 2)
    assert replays == [answers.totals] * 10


def test_a_block_is_one_task_from_reading_to_the_sum(da: Any) -> None:
    import dask
    from dask.callbacks import Callback

    model, tasks = Logistic(points=1000), []
    counted = Counted(da, model.arrays, 100)
    with Callback(pretask=lambda key, *_: tasks.append(key)), dask.config.set(scheduler="sync"):
        model.program.backward(*counted.lazy)
    assert len(tasks) <= 10 + 2 + 1 + 1  # the blocks, their sums by eight, the sum of these, what is sent


def test_a_lazy_result_keeps_the_numbers_of_its_call(da: Any) -> None:
    import dask

    w, x = Value(2.0), Value(0.0)
    program, lazy = tl.compile(w * x, [x]), da.ones(10, chunks=5)
    before = program(lazy)
    w.data = 3.0
    after = program(lazy)
    np.testing.assert_array_equal(dask.compute(before, after), [[2.0] * 10, [3.0] * 10])
    assert program.backward(lazy) == 3.0
    w.data = 4.0
    assert program.backward(lazy) == 4.0
    assert before.name == tl.compile(Value(2.0) * x, [x])(lazy).name  # the same numbers: the same name


def test_a_program_is_unpacked_and_planned_once_for_all_its_blocks_and_calls(da: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plans, made = [], Plans.made
    monkeypatch.setattr(Plans, "made", lambda plan, kind: plans.append(kind) or made(plan, kind))
    model = Logistic(points=1000)
    lazy = [da.from_array(array, chunks=100) for array in model.arrays]
    for parameter in model.parameters:
        parameter.data += 0.1
        model.program.backward(*lazy)
    assert len(plans) <= 1


def short(block_info: Any = None) -> Any:
    ((start, stop),) = block_info[None]["array-location"]
    return np.ones(stop - start - (start == 200))


def assert_names_its_block(error: Exception) -> None:
    assert str(error) == "program: expected points of shape (100,) in a block, got (99,)"
    assert error.__notes__ == ["in block (2,) of (10,), points [200:300]"]


def test_a_failure_names_its_block_and_adds_nothing(da: Any) -> None:
    w, x = Value(2.0), Value(0.0)
    program = tl.compile(w * x, [x])
    lazy = da.map_blocks(short, chunks=((100,) * 10,), dtype=float, meta=np.empty(0))
    for work in (program.backward, lambda each: program(each).compute()):
        with pytest.raises(ValueError, match="in a block") as caught:
            work(lazy)
        assert_names_its_block(caught.value)
    assert w.grad == 0.0


def test_a_failure_in_another_process_names_its_block(da: Any, client: Any) -> None:
    w, x = Value(2.0), Value(0.0)
    lazy = da.map_blocks(short, chunks=((100,) * 10,), dtype=float, meta=np.empty(0))
    with pytest.raises(ValueError, match="in a block") as caught:
        tl.compile(w * x, [x]).backward(lazy)
    assert_names_its_block(caught.value)
    assert w.grad == 0.0


def test_what_cannot_be_is_said_before_anything_runs(da: Any) -> None:
    model = Logistic()
    features, labels = (da.from_array(array, chunks=100) for array in model.arrays)
    with pytest.raises(ValueError, match=r"program: array 0: expected an array of shape \(\.\.\., 4\)"):
        model.program(features[:, :3], labels)
    with pytest.raises(ValueError, match=r"program: arrays 0 and 1 do not broadcast"):
        model.program(features, labels[:7])
    with pytest.raises(TypeError, match=r"program: expected 2 arrays, got 1"):
        model.program.backward(features)
    with pytest.raises(ValueError, match=r"program: array 1: expected chunks of known size.*compute_chunk_sizes"):
        model.program(features, labels[labels > 0])


def slow(path: Path, size: int, done: Path, block_info: Any = None) -> Any:
    """Rows of a file, slowly; leaves a mark that they were read."""
    (start, stop), *_ = block_info[None]["array-location"]
    time.sleep(0.05)
    (done / f"{start}-{os.getpid()}").touch()
    return np.load(path, mmap_mode="r")[start:stop]


def test_a_worker_that_dies_in_mid_run_changes_nothing(da: Any, client: Any, tmp_path: Path) -> None:
    model, size = Logistic(points=10**6), 25_000
    expected = model.backward(*model.arrays)
    done = tmp_path / "done"
    done.mkdir()
    lazy = []
    for name, array in zip("Xy", model.arrays, strict=True):
        np.save(tmp_path / f"{name}.npy", array)
        chunks = ((size,) * 40, *((n,) for n in array.shape[1:]))
        path = tmp_path / f"{name}.npy"
        lazy.append(da.map_blocks(slow, path, size, done, chunks=chunks, dtype=float, meta=array[:0]))
    victims = sorted(client.run(os.getpid).values())
    found: list[float] = []
    run = threading.Thread(target=lambda: found.extend(model.backward(*lazy)))
    run.start()
    while run.is_alive() and len([*done.glob(f"*-{victims[0]}")]) < 6:
        time.sleep(0.01)
    os.kill(victims[0], signal.SIGKILL)
    run.join(60)
    np.testing.assert_allclose(found, expected, 1e-12)
    pids = {path.name.partition("-")[2] for path in done.iterdir()}
    assert {str(pid) for pid in victims} <= pids
    assert len([*done.iterdir()]) > 40  # some blocks were read again


def test_what_is_sent_is_small_and_does_not_grow_with_the_points(da: Any) -> None:
    from tinygrad_lite.arrays import dask as distributed

    model = Logistic()
    model.program.backward(*model.arrays)
    assert len(pickle.dumps(distributed._sent(model.program, model.program._numbers()))) < 10_000
    model.parameters[0].data += 1
    before, _ = distributed._sent(model.program, model.program._numbers())
    assert distributed._sent(model.program, model.program._numbers())[0] == before


def test_dask_is_imported_only_with_a_dask_array() -> None:
    code = (
        "import sys, tinygrad_lite as tl; x = tl.Value(1.0); tl.compile(x * x, [x])([1.0, 2.0]); "
        "tl.compile(x * x, [x]).backward([1.0]); print('dask' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


# Without Dask


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_of_one_process_give_the_same(threads: int) -> None:
    model = Logistic(points=100_003)
    one, many = (model.program.value_and_grad(*model.arrays, threads=n) for n in (1, threads))
    for each, other in zip(flat(many), flat(one), strict=True):
        np.testing.assert_allclose(each, other, 1e-13)
    np.testing.assert_allclose(model.backward(*model.arrays, threads=threads), model.backward(*model.arrays), 1e-12)


def test_threads_within_a_block(da: Any) -> None:
    model = Logistic(points=100_003)
    lazy = [da.from_array(array, chunks=50_000) for array in model.arrays]
    assert_equal(model.program(*lazy, threads=2), model.program(*model.arrays))
    np.testing.assert_allclose(model.backward(*lazy, threads=2), model.backward(*model.arrays), 1e-12)


def test_a_pool_of_processes_takes_a_program() -> None:
    model = Logistic()
    pieces = [np.array_split(array, 5) for array in model.arrays]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = np.concatenate(list(pool.map(model.program, *pieces)))
    np.testing.assert_allclose(found, model.program(*model.arrays), 1e-13)


def test_joblib_takes_a_program() -> None:
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    model = Logistic()
    pieces = [np.array_split(array, 5) for array in model.arrays]
    work = (joblib.delayed(model.program)(*each) for each in zip(*pieces, strict=True))
    found = np.concatenate(joblib.Parallel(n_jobs=2)(work))
    np.testing.assert_allclose(found, model.program(*model.arrays), 1e-13)


def test_the_example_of_the_module_finds_the_weights(da: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    example = (tinygrad_lite.arrays.dask.__doc__ or "").partition("```python\n")[2].partition("```")[0]
    model = Logistic(points=5000)
    for name, array in zip("Xy", model.arrays, strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    monkeypatch.chdir(tmp_path)
    any_port = 'Client(dashboard_address="127.0.0.1:0", '  # 8787 may be another cluster's
    exec(example.replace("Client(", any_port, 1), {"__name__": "__main__"})
    losses = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 20
    assert losses[0] == pytest.approx(math.log(2), 1e-12)
    assert losses[-1] < losses[0]
