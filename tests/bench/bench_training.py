"""The figures of training, sections of bench.py: two moons, handwritten digits, a model of characters."""

from __future__ import annotations

import importlib
import itertools
import math
import random
import statistics
from collections.abc import Callable
from typing import Any

from bench import Stored, Timed, compare, once, peer, show

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
    start = [parameter.data for parameter in nn.MLP(2, [16, 16, 1]).parameters()]

    def compiled() -> list[float]:
        net, x, y = nn.MLP(2, [16, 16, 1]), [Value(0.0), Value(0.0)], Value(1.0)
        ps = net.parameters()
        optimizer = nn.SGD(ps, rate, weight_decay=decay)
        return nn.fit(hinge(net(x), y), [x, y], [points, sides], ps, optimizer, epochs=steps)["loss"]

    def eager(count: int) -> list[float]:
        net = nn.MLP(2, [16, 16, 1])
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
        net, x, target = nn.MLP(64, [32, 10]), [Value(0.0) for _ in range(64)], [Value(0.1) for _ in range(10)]
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


class Micro(Stored):
    """What microgpt's class has besides."""

    __slots__ = ()

    def __add__(self, other: Any) -> Micro:
        other = other if isinstance(other, Micro) else Micro(other)
        return Micro(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other: Any) -> Micro:
        other = other if isinstance(other, Micro) else Micro(other)
        return Micro(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, other: float) -> Micro:
        return Micro(self.data**other, (self,), (other * self.data ** (other - 1),))

    def log(self) -> Micro:
        return Micro(math.log(self.data), (self,), (1 / self.data,))

    def exp(self) -> Micro:
        return Micro(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self) -> Micro:
        return Micro(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Micro:
        return self * -1

    def __radd__(self, other: Any) -> Micro:
        return self + other

    def __sub__(self, other: Any) -> Micro:
        return self + (-other)

    def __rmul__(self, other: Any) -> Micro:
        return self * other

    def __truediv__(self, other: Any) -> Micro:
        return self * other**-1


def micro_softmax(logits: list[Micro]) -> list[Micro]:
    peak = max(logit.data for logit in logits)
    powers = [(logit - peak).exp() for logit in logits]
    total = sum(powers)
    return [power / total for power in powers]


MICRO: dict[str, Callable[..., Any]] = {
    "dot": lambda ws, xs: sum(w * x for w, x in zip(ws, xs, strict=True)),
    "softmax": micro_softmax,
    "cross_entropy": lambda logits, target: -micro_softmax(logits)[target].log(),
    "mean": lambda xs: sum(xs) * (1 / len(xs)),
}
"""What microgpt writes with its class; the names are those of `tinygrad_lite`."""

WIDTH, HEADS, CONTEXT, LETTERS = 16, 4, 12, 27


def weights(kind: Any) -> dict[str, list[list[Any]]]:
    rng = random.Random(0)
    shapes = {"letter": (LETTERS, WIDTH), "place": (CONTEXT, WIDTH), "out": (LETTERS, WIDTH)}
    shapes |= dict.fromkeys(("query", "key", "value", "together"), (WIDTH, WIDTH))
    shapes |= {"up": (4 * WIDTH, WIDTH), "down": (WIDTH, 4 * WIDTH)}
    return {
        name: [[kind(rng.gauss(0, 0.08)) for _ in range(n_in)] for _ in range(n_out)]
        for name, (n_out, n_in) in shapes.items()
    }


def normalized(xs: list[Any], do: Callable[[str], Any]) -> list[Any]:
    scale = (do("dot")(xs, xs) * (1 / len(xs)) + 1e-5) ** -0.5
    return [x * scale for x in xs]


def attended(xs: list[Any], keys: list[Any], values: list[Any], w: Any, do: Callable[[str], Any]) -> list[Any]:
    """The values of the letters so far, each weighted by how much its key answers the query."""
    dot, size = do("dot"), WIDTH // HEADS
    query = [dot(row, xs) for row in w["query"]]
    keys.append([dot(row, xs) for row in w["key"]])
    values.append([dot(row, xs) for row in w["value"]])
    found = []
    for first in range(0, WIDTH, size):
        head = slice(first, first + size)
        shares = do("softmax")([dot(query[head], key[head]) * size**-0.5 for key in keys])
        found += [dot(shares, [value[j] for value in values]) for j in range(first, first + size)]
    return [dot(row, found) for row in w["together"]]


def word_loss(word: str, w: Any, do: Callable[[str], Any]) -> Any:
    """The mean cross-entropy of each letter of a word, and of its end, given the letters before it."""
    letters = [26, *(ord(letter) - ord("a") for letter in word), 26]
    keys: list[Any] = []
    values: list[Any] = []
    losses = []
    for place, (letter, following) in enumerate(itertools.pairwise(letters)):
        xs = normalized([a + b for a, b in zip(w["letter"][letter], w["place"][place], strict=True)], do)
        found = attended(normalized(xs, do), keys, values, w, do)
        xs = [a + b for a, b in zip(found, xs, strict=True)]
        hidden = [do("dot")(row, normal).relu() for normal in [normalized(xs, do)] for row in w["up"]]
        xs = [do("dot")(row, hidden) + x for row, x in zip(w["down"], xs, strict=True)]
        losses.append(do("cross_entropy")([do("dot")(row, xs) for row in w["out"]], following))
    return do("mean")(losses)


def words(count: int = 1000) -> list[str]:
    rng = random.Random(0)
    return ["".join(rng.choice("aeiou" if i % 2 else "bcdklmnrst") for i in range(rng.randint(5, 7))) for _ in range(count)]


def trained(kind: Any, do: Callable[[str], Any], steps: int) -> list[float]:
    """The loss at each step of Adam on a word, written out for both."""
    w, losses = weights(kind), []
    ps = [p for rows in w.values() for row in rows for p in row]
    means, squares = [0.0] * len(ps), [0.0] * len(ps)
    for step, word in zip(range(1, steps + 1), words(), strict=False):
        loss = word_loss(word, w, do)
        loss.backward()
        losses.append(loss.data)
        for i, p in enumerate(ps):
            means[i] = 0.9 * means[i] + 0.1 * p.grad
            squares[i] = 0.99 * squares[i] + 0.01 * p.grad**2
            p.data -= 0.01 * (means[i] / (1 - 0.9**step)) / ((squares[i] / (1 - 0.99**step)) ** 0.5 + 1e-8)
            p.grad = 0.0
    return losses


def size_of(root: Any) -> int:
    seen, stack = {root}, [root]
    while stack:
        new = [child for child in stack.pop().children if child not in seen]
        seen.update(new)
        stack += new
    return len(seen)


def characters() -> None:
    """A transformer of one layer on words, in the manner of microgpt: scalars, one word a step, eager."""
    ours, theirs = lambda name: getattr(tl, name), MICRO.__getitem__
    far, falls = 50, trained(Value, ours, 1000)
    apart = max(abs(a - b) for a, b in zip(falls, trained(Micro, theirs, far), strict=False))
    before, after = statistics.mean(falls[:50]), statistics.mean(falls[-50:])
    print(f"  (loss {before:.3f} at first, {after:.3f} after 1,000 words; apart from the peer's in {far} steps by {apart:.1e})")
    word, ours_w, theirs_w = words()[0], weights(Value), weights(Micro)
    nodes = statistics.mean(size_of(word_loss(each, theirs_w, theirs)) for each in words()[:20])
    contestants: dict[str, Timed] = {
        "tinygrad_lite": lambda: word_loss(word, ours_w, ours).backward(),
        "microgpt's kind of class": lambda: word_loss(word, theirs_w, theirs).backward(),
    }
    compare(f"character model, forward and backward of a word ({nodes:.0f} nodes of the peer's)", contestants, 7)


SECTIONS: dict[str, Callable[[], None]] = {each.__name__: each for each in (moons, digits, characters)}
