"""The figures of speed and memory: `python tests/bench/bench.py [name ...]`, peers from `pip install -e ".[bench]"`.

Ours and theirs run in turn on one core, and what is printed is the median of the ratios: times on a shared machine
mean little. A peer that is not installed is left out.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import tinygrad_lite as tl
from tinygrad_lite import Value

Timed = Callable[[], Any]


def once(work: Timed, least: float = 0.0) -> float:
    """Seconds of one call; short calls are repeated to fill `least` seconds."""
    gc.collect()
    count, start = 0, time.perf_counter()
    while True:
        kept = work()  # a graph is freed after the clock was read: others leave theirs to the collector
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= least:
            del kept
            return elapsed / count


def compare(title: str, contestants: dict[str, Timed], rounds: int = 9, least: float = 0.0, per: float = 1.0) -> list[float]:
    """Run the contestants in turn; the first is ours. Prints the best time of each and its median ratio to ours."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for work in contestants.values():
        work()  # warm
    for _ in range(rounds):
        for name, work in contestants.items():
            times[name].append(once(work, least))
    (ours, own), *others = times.items()
    print(f"{title}\n  {ours:34s} {show(min(own) / per)}")
    for name, theirs in others:
        ratio = statistics.median(b / a for a, b in zip(own, theirs, strict=True))
        print(f"  {name:34s} {show(min(theirs) / per)}   {ratio:6.2f} times ours", flush=True)
    return [min(each) for each in times.values()]


def show(seconds: float) -> str:
    for unit, size in (("s ", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:8.2f} {unit}"
    return f"{seconds / 1e-9:8.1f} ns"


def peer(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"  ({name} is not installed)")
        return None


# Recording and sweeping


class Stored:
    """A scalar class in the style of microgpt: slots, local derivatives stored, the order found by recursion."""

    __slots__ = ("children", "data", "grad", "slopes")

    def __init__(self, data: float, children: tuple[Stored, ...] = (), slopes: tuple[float, ...] = ()) -> None:
        self.data, self.grad, self.children, self.slopes = data, 0.0, children, slopes

    def __add__(self, other: Any) -> Stored:
        other = other if isinstance(other, Stored) else Stored(other)
        return Stored(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: Any) -> Stored:
        other = other if isinstance(other, Stored) else Stored(other)
        return Stored(self.data * other.data, (self, other), (other.data, self.data))

    def relu(self) -> Stored:
        return Stored(max(0.0, self.data), (self,), (float(self.data > 0),))

    def backward(self) -> None:
        order: list[Stored] = []
        seen = set()

        def visit(node: Stored) -> None:
            if node not in seen:
                seen.add(node)
                for child in node.children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for child, slope in zip(node.children, node.slopes, strict=True):
                child.grad += slope * node.grad


def chain(kind: Any, operations: int) -> Any:
    """A graph of that many operations, a third each of *, + and relu."""
    rng = random.Random(0)
    xs = [kind(rng.uniform(-1, 1)) for _ in range(200)]
    y = xs[0]
    for i in range(operations // 3):
        y = (y * xs[i % 200] + xs[i * 7 % 200]).relu()
    return y + xs[0]  # alive, whatever the last relu says


def swept(root: Any) -> Any:
    root.backward()
    return root


def xad_chain(operations: int) -> list[float]:
    adj_1st, math = importlib.import_module("xad.adj_1st"), importlib.import_module("xad.math")
    rng = random.Random(0)
    with adj_1st.Tape() as tape:
        xs = [adj_1st.Real(rng.uniform(-1, 1)) for _ in range(200)]
        for x in xs:
            tape.registerInput(x)
        tape.newRecording()
        y = xs[0]
        for i in range(operations // 3):
            y = math.max(y * xs[i % 200] + xs[i * 7 % 200], 0.0)
        y = y + xs[0]
        tape.registerOutput(y)
        y.derivative = 1.0
        tape.computeAdjoints()
        return [x.derivative for x in xs]


def eager() -> None:
    count = 20_000
    contestants: dict[str, Timed] = {"tinygrad_lite": lambda: swept(chain(Value, count))}
    if engine := peer("micrograd.engine"):
        contestants["micrograd"] = lambda: swept(chain(engine.Value, count))
    contestants["microgpt's kind of class"] = lambda: swept(chain(Stored, count))
    if peer("xad"):
        contestants["xad, C++ tape"] = lambda: xad_chain(count)
    compare(f"forward and backward, {count} operations * + relu, an operation", contestants, 15, per=count)


def network(kind: Any, sizes: list[int], dot: Any) -> tuple[list[Any], Any]:
    rng = random.Random(0)
    layers = [
        [([kind(rng.uniform(-0.1, 0.1)) for _ in range(n_in)], kind(0.0)) for _ in range(n_out)]
        for n_in, n_out in itertools.pairwise(sizes)
    ]

    def run(xs: list[Any]) -> Any:
        for layer in layers:
            xs = [(dot(w, xs) + b).relu() for w, b in layer]
        return xs[0]

    return layers, run


def products(ws: list[Any], xs: list[Any]) -> Any:
    return sum((w * x for w, x in zip(ws, xs, strict=True)), ws[0] * 0.0)


def mlp() -> None:
    _, ours = network(Value, [3, 256, 256, 1], tl.dot)
    contestants: dict[str, Timed] = {"tinygrad_lite, dot": lambda: swept(ours([Value(x) for x in (0.3, 0.1, -0.7)]))}
    if engine := peer("micrograd.engine"):
        _, theirs = network(engine.Value, [3, 256, 256, 1], products)
        contestants["micrograd"] = lambda: swept(theirs([engine.Value(x) for x in (0.3, 0.1, -0.7)]))
    compare("MLP 3-256-256-1, one point, forward and backward", contestants, 5)


def memory() -> None:
    """Bytes a node after both passes, what is left when the graph goes, and how the cost grows with the size."""

    def size_of(make: Callable[[], Any]) -> tuple[float, float]:
        gc.collect()
        gc.disable()
        tracemalloc.start()
        root = make()
        root.backward()
        used = tracemalloc.get_traced_memory()[0]
        del root
        left = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        gc.enable()
        return used, left

    def with_constants() -> Value:
        y = Value(1.0)
        for _ in range(250_000):
            y = y * 0.999 + 0.5
        return y

    for title, make, nodes in (
        ("* and + of constants", with_constants, 10**6),
        ("* + relu of Values", lambda: chain(Value, 10**6), 10**6),
    ):
        used, left = size_of(make)
        print(f"memory, 10^6 nodes, {title}\n  {used / nodes:.0f} bytes a node, {left / 1000:.1f} kB left, collector off")
    compare(
        "forward and backward at 5·10^4 operations and (below) at 10^6, an operation",
        {
            "5·10^4": lambda: swept(chain(Value, 50_000)),
            "10^6, for 20 times as many": lambda: swept(chain(Value, 10**6)),
        },
        rounds=3,
        per=50_000,
    )


def imports() -> None:
    # With compiled bytecode, as after an installation.
    environment = {key: x for key, x in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp()

    def start(code: str) -> Timed:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True, env=environment)

    bare, full = start("pass"), start("import tinygrad_lite")
    once(full)
    extra = [once(full) - once(bare) for _ in range(21)]
    print(f"import tinygrad_lite: {statistics.median(extra) * 1000:.1f} ms over a bare interpreter's start")


# Derivatives of higher order


def taylor() -> None:
    def ours() -> list[float]:
        return tl.taylor(lambda x: tl.sin(x * tl.exp(x)), 0.3, 20)

    contestants: dict[str, Timed] = {"tinygrad_lite taylor": ours}
    if jax := peer("jax"):
        jax.config.update("jax_enable_x64", True)
        from jax.experimental import jet

        unit = [1.0, *[0.0] * 19]
        jitted = jax.jit(lambda x: jet.jet(lambda t: jax.numpy.sin(t * jax.numpy.exp(t)), (x,), (unit,)))
        start = time.perf_counter()
        jax.block_until_ready(jitted(0.3))
        print(f"  (jax.experimental.jet compiles for {time.perf_counter() - start:.2f} s)")
        contestants["jax.experimental.jet, compiled"] = lambda: jax.block_until_ready(jitted(0.3))
    compare("Taylor series of sin(x·e^x) to order 20", contestants, least=0.02)

    def nested(order: int) -> Timed:
        def work() -> None:
            x = Value(0.3)
            y = tl.sin(x * tl.exp(x))
            for _ in range(order):
                (y,) = tl.grad(y, [x])

        return work

    title = "the same to order 8 (nested grad grows as its graph does: 20 times would not end)"
    series = {"tinygrad_lite taylor": lambda: tl.taylor(lambda x: tl.sin(x * tl.exp(x)), 0.3, 8)}
    compare(title, series | {"8 nested grad": nested(8)}, rounds=3)


def rosenbrock(xs: Any) -> Any:
    return sum(100.0 * (xs[i + 1] - xs[i] ** 2) ** 2 + (1 - xs[i]) ** 2 for i in range(len(xs) - 1))


def hessian() -> None:
    at = [0.1 * i for i in range(20)]

    def ours() -> list[list[Value]]:
        xs = [Value(x) for x in at]
        return tl.hessian(rosenbrock(xs), xs)

    contestants: dict[str, Timed] = {"tinygrad_lite": ours}
    if autograd := peer("autograd"):
        numpy = importlib.import_module("numpy")
        theirs = autograd.hessian(rosenbrock)
        contestants["autograd"] = lambda: theirs(numpy.array(at))
    compare("Hessian of the Rosenbrock function of 20 variables", contestants, least=0.02)


SECTIONS: dict[str, Callable[[], None]] = {
    each.__name__: each for each in (eager, mlp, memory, imports, taylor, hessian)
}


def main(names: list[str]) -> None:
    # Before NumPy, PyTorch and XLA count the cores.
    if hasattr(os, "sched_setaffinity") and names != ["formula_on_two_cores"]:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import bench_characters
    import bench_distributed
    import bench_programs
    import bench_training

    sections = SECTIONS | bench_programs.SECTIONS | bench_training.SECTIONS
    sections |= bench_characters.SECTIONS | bench_distributed.SECTIONS
    unknown = set(names) - set(sections)
    if unknown:
        raise SystemExit(f"bench: unknown {', '.join(sorted(unknown))}; there are {', '.join(sections)}")
    for name in names or sections:
        sections[name]()


if __name__ == "__main__":
    sys.setrecursionlimit(10**6)
    threading.stack_size(512 << 20)  # the peers find their order by recursion
    worker = threading.Thread(target=main, args=(sys.argv[1:],))
    worker.start()
    worker.join()
