"""The figures of training, sections of bench.py: two moons and handwritten digits."""

from __future__ import annotations

import importlib
import math
import random
import statistics
from collections.abc import Callable
from typing import Any

from bench import Timed, compare, once, peer, show

import tinygrad_lite as tl
from tinygrad_lite import Value, nn
from tinygrad_lite.arrays.program import compile
from tinygrad_lite.functional import hinge

# Training


def two_moons(count: int = 100) -> tuple[list[list[float]], list[float]]:
    rng = random.Random(1)
    points, sides = [], []
    for i in range(count):
        t = rng.uniform(0, math.pi)
        x, y = (math.cos(t), math.sin(t)) if i % 2 else (1 - math.cos(t), 0.5 - math.sin(t))
        points.append([x + rng.gauss(0, 0.1), y + rng.gauss(0, 0.1)])
        sides.append(1.0 if i % 2 else -1.0)
    return points, sides


def demo(count: int, points: Any, sides: Any, start: list[float], rate: float, decay: float) -> list[float]:
    """The losses of that many steps with micrograd."""
    net, losses = importlib.import_module("micrograd.nn").MLP(2, [16, 16, 1]), []
    numbers = iter(start)
    for neuron in (neuron for layer in net.layers for neuron in layer.neurons):
        for parameter in neuron.parameters():
            parameter.data = next(numbers)
    for _ in range(count):
        each = [(1 + -side * net(point)).relu() for point, side in zip(points, sides, strict=True)]
        loss = sum(each) * (1.0 / len(each))
        total = loss + decay / 2 * sum(p * p for p in net.parameters())
        net.zero_grad()
        total.backward()
        for p in net.parameters():
            p.data -= rate * p.grad
        losses.append(loss.data)
    return losses


def moons() -> None:
    """micrograd's demo: 150 steps of a 2-16-16-1 network on all of 100 points, hinge loss and weight decay."""
    points, sides = two_moons()
    steps, rate, decay = 150, 0.5, 2e-4
    start = [parameter.data for parameter in nn.MLP(2, [16, 16, 1], seed=0).parameters()]

    def compiled() -> list[float]:
        net, x, y = nn.MLP(2, [16, 16, 1], seed=0), [Value(0.0), Value(0.0)], Value(1.0)
        ps = net.parameters()
        optimizer = nn.SGD(ps, rate, weight_decay=decay)
        return nn.fit(hinge(net(x), y), [x, y], [points, sides], ps, optimizer, epochs=steps)["loss"]

    def eager(count: int) -> list[float]:
        net = nn.MLP(2, [16, 16, 1], seed=0)
        optimizer, losses = nn.SGD(net.parameters(), rate, weight_decay=decay), []
        for _ in range(count):
            loss = hinge([net(point) for point in points], sides)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.data)
        return losses

    print(f"two moons, MLP 2-16-16-1, {steps} steps on 100 points, recording and compiling included")
    ratios: dict[str, list[float]] = {"compiled": [], "eager": []}
    for _ in range(5):
        whole, step = once(compiled, 0.5), once(lambda: eager(1), 0.5)
        if peer("micrograd.nn"):
            theirs = once(lambda: demo(1, points, sides, start, rate, decay))
            ratios["compiled"].append(theirs * steps / whole)
            ratios["eager"].append(theirs / step)
    print(f"  tinygrad_lite, fit {show(whole)}, eager {show(step * steps)}")
    if ratios["eager"]:
        assert max(abs(a - b) for a, b in zip(demo(2, points, sides, start, rate, decay), compiled(), strict=False)) < 1e-9, "different losses"
        shown = ", ".join(f"{name} {statistics.median(each):.1f} times as fast" for name, each in ratios.items())
        print(f"  micrograd (a step, times {steps}) {show(theirs * steps)}; {shown}")


def digits() -> None:
    """scikit-learn's 8x8 digits, MLP 64-32-10, Adam, batches of 32; the same steps in PyTorch."""
    if not peer("sklearn.datasets"):
        return
    numpy = importlib.import_module("numpy")
    images, labels = importlib.import_module("sklearn.datasets").load_digits(return_X_y=True)
    order = numpy.random.default_rng(0).permutation(len(labels))
    images, labels = images[order] / 16, labels[order]
    (train, test), (known, asked) = numpy.split(images, [1437]), numpy.split(labels, [1437])
    epochs, size = 20, 32

    def ours() -> float:
        net, x, target = nn.MLP(64, [32, 10], seed=0), [Value(0.0) for _ in range(64)], [Value(0.1) for _ in range(10)]
        logits, ps = net(x), net.parameters()
        data = [train, nn.one_hot(known, 10)]
        nn.fit(tl.cross_entropy(logits, target), [x, target], data, ps, nn.Adam(ps, 0.01), epochs, size)
        found = numpy.argmax(compile(logits, [x])(test), axis=0)
        return float((found == asked).mean())

    print(f"  (test accuracy {ours():.1%})")
    contestants: dict[str, Timed] = {"tinygrad_lite": ours}
    if torch := peer("torch"):
        torch.set_num_threads(1)

        def theirs() -> float:
            torch.manual_seed(0)
            linear = torch.nn.Linear
            net = torch.nn.Sequential(linear(64, 32), torch.nn.ReLU(), linear(32, 10)).to(torch.float64)
            optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
            x, y = torch.tensor(train), torch.tensor(known)
            total = 0.0
            for _ in range(epochs):
                shuffled = torch.randperm(len(x))
                xs, ys = x[shuffled], y[shuffled]
                for i in range(0, len(x), size):
                    optimizer.zero_grad()
                    loss = torch.nn.functional.cross_entropy(net(xs[i : i + size]), ys[i : i + size])
                    loss.backward()
                    optimizer.step()
                    total += loss.item()
            return float((net(torch.tensor(test)).argmax(1) == torch.tensor(asked)).double().mean())

        print(f"  (PyTorch's {theirs():.1%})")
        contestants["PyTorch"] = theirs
    steps = epochs * math.ceil(len(train) / size)
    compare(f"digits, MLP 64-32-10, {steps} steps, a step", contestants, 5, per=steps)


SECTIONS: dict[str, Callable[[], None]] = {each.__name__: each for each in (moons, digits)}
