"""The figure of Dask, a section of bench.py: a gradient from files, on one worker and on two, and after the end of one."""

from __future__ import annotations

import importlib
import os
import re
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import peer, show

import tinygrad_lite as tl
from tinygrad_lite import Value


def regression(points: int, folder: Path, piece: int = 10**6) -> tuple[Any, list[Value], list[Any]]:
    """A logistic regression of 4 features, and its points on disk: 40 bytes each, written piece by piece."""
    import numpy as np

    ws, xs, y = [Value(0.1 * i + 0.1) for i in range(5)], [Value(0.0) for _ in range(4)], Value(0.0)
    program = tl.compile(tl.binary_cross_entropy(tl.dot(ws[:4], xs) + ws[4], y), [xs, y])
    shapes = {"X": (points, 4), "y": (points,)}
    files = [np.lib.format.open_memmap(folder / f"{name}.npy", "w+", float, shape) for name, shape in shapes.items()]
    rng = np.random.default_rng(0)
    for start in range(0, points, piece):
        features = rng.standard_normal((min(piece, points - start), 4))
        files[0][start : start + piece] = features
        files[1][start : start + piece] = rng.random(len(features)) < 1 / (1 + np.exp(-features.sum(1)))
    return program, ws, [np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes]


def rows(path: Path, block_info: Any = None) -> Any:
    """A block of the rows of a file."""
    import numpy as np

    (start, stop), *_ = block_info[None]["array-location"]
    return np.load(path, mmap_mode="r")[start:stop]


def peak() -> int:
    """The most memory that this process had at once, in KiB (ru_maxrss would count that of its parent)."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def gradient(program: Any, parameters: list[Value], arrays: list[Any]) -> list[float]:
    for parameter in parameters:
        parameter.grad = 0.0
    return [program.backward(*arrays), *(parameter.grad for parameter in parameters)]


def distributed() -> None:
    """One gradient from files on two workers of 1 GiB, on one, after the end of one; `POINTS` sets the size."""
    if not (peer("dask.array") and peer("distributed")):
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # `main` took one core, and workers inherit that
    with tempfile.TemporaryDirectory() as folder:
        past_one_machine(int(float(os.environ.get("POINTS", "2e8"))), Path(folder))


def past_one_machine(points: int, folder: Path) -> None:
    da, cluster = importlib.import_module("dask.array"), importlib.import_module("distributed")
    program, parameters, files = regression(points, folder)
    size = min(10**6, points)
    chunks = (size,) * (points // size)
    lazy = [
        da.map_blocks(rows, folder / f"{name}.npy", chunks=(chunks, *tail), dtype=float, meta=array[:0])
        for name, tail, array in (("X", ((4,),), files[0]), ("y", (), files[1]))
    ]
    start = time.perf_counter()
    expected = gradient(program, parameters, files)
    print(f"logistic regression, 4 features, {points:.0e} points on disk: the loss and its gradient")
    print(f"  this process                       {show(time.perf_counter() - start)}")
    options = {"threads_per_worker": 1, "memory_limit": "1GiB", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    times: dict[int, list[float]] = {1: [], 2: []}
    for workers in (1, 2) * 2:
        with cluster.LocalCluster(n_workers=workers, **options) as local, cluster.Client(local) as client:
            gradient(program, parameters, [array[: 2 * workers * size] for array in lazy])  # imports, plans
            start = time.perf_counter()
            found = gradient(program, parameters, lazy)
            times[workers].append(time.perf_counter() - start)
            memory = max(client.run(peak).values())
        check(found, expected)
        print(f"  {workers} of 2 workers                     {show(times[workers][-1])}   peak {memory / 2**10:.0f} MiB")
    ratio = statistics.median(one / two for one, two in zip(*times.values(), strict=True))
    print(f"  two workers are {ratio:.2f} times as fast as one")
    with cluster.LocalCluster(n_workers=2, **options) as local, cluster.Client(local) as client:
        victim = min(client.run(os.getpid).values())
        timer = threading.Timer(min(times[2]) / 2, os.kill, (victim, signal.SIGKILL))
        timer.start()
        start = time.perf_counter()
        found = gradient(program, parameters, lazy)
        elapsed, ended = time.perf_counter() - start, victim not in client.run(os.getpid).values()
    check(found, expected)
    print(f"  a worker ended half-way ({ended})      {show(elapsed)}   the same gradient")


def check(found: list[float], expected: list[float]) -> None:
    """Equal to 1e-12, relative to each."""
    worst = max(abs(one - other) / abs(other) for one, other in zip(found, expected, strict=True))
    print(f"  (differs from one process by {worst:.0e})")
    if worst > 1e-12:
        raise SystemExit("bench: not the gradient of one process")


SECTIONS: dict[str, Callable[[], None]] = {"distributed": distributed}
