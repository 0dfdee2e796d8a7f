"""The figures of a model of characters in the manner of microgpt, sections of bench.py."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Callable
from typing import Any

import numpy
from bench import Stored, Timed, compare

import tinygrad_lite as tl
from tinygrad_lite import Value, nn


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


def spelled(word: str) -> list[int]:
    """The indices of a word's letters, between two of its end."""
    return [26, *(ord(letter) - ord("a") for letter in word), 26]


def word_loss(letters: list[Any], w: Any, do: Callable[[str], Any], row_of: Any = None, target_of: Any = int) -> Any:
    """The mean cross-entropy of each letter of a word, and of its end, given the letters before it."""
    row_of = row_of or w["letter"].__getitem__
    keys: list[Any] = []
    values: list[Any] = []
    losses = []
    for place, (letter, following) in enumerate(itertools.pairwise(letters)):
        xs = normalized([a + b for a, b in zip(row_of(letter), w["place"][place], strict=True)], do)
        found = attended(normalized(xs, do), keys, values, w, do)
        xs = [a + b for a, b in zip(found, xs, strict=True)]
        hidden = [do("dot")(row, normal).relu() for normal in [normalized(xs, do)] for row in w["up"]]
        xs = [do("dot")(row, hidden) + x for row, x in zip(w["down"], xs, strict=True)]
        losses.append(do("cross_entropy")([do("dot")(row, xs) for row in w["out"]], target_of(following)))
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
        loss = word_loss(spelled(word), w, do)
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
    word, ours_w, theirs_w = spelled(words()[0]), weights(Value), weights(Micro)
    nodes = statistics.mean(size_of(word_loss(spelled(each), theirs_w, theirs)) for each in words()[:20])
    contestants: dict[str, Timed] = {
        "tinygrad_lite": lambda: word_loss(word, ours_w, ours).backward(),
        "microgpt's kind of class": lambda: word_loss(word, theirs_w, theirs).backward(),
    }
    compare(f"character model, forward and backward of a word ({nodes:.0f} nodes of the peer's)", contestants, 7)


def compiled_characters() -> None:
    """The same model compiled for words of six letters, whose indices are its inputs; many words at once."""
    do, w = lambda name: getattr(tl, name), weights(Value)
    table = nn.Embedding(LETTERS, WIDTH)
    table.rows = w["letter"]
    letters = [Value(0.0) for _ in range(8)]
    loss = word_loss(letters, w, do, table, lambda letter: nn.one_hot(letter, LETTERS))
    program = tl.compile(loss, letters)
    numbers = [parameter.data for parameter in program.parameters]
    rows = numpy.array([spelled(word) for word in words() if len(word) == 6])
    eager = word_loss(rows[0].tolist(), w, do)
    assert abs(program(*rows[0]) - eager.data) < 1e-12, "different losses"
    contestants: dict[str, Timed] = {
        "a program, a word a call": lambda: program.loss_and_grad(numbers, *rows[:1].T),
        "recorded anew": lambda: word_loss(rows[0].tolist(), w, do).backward(),
    }
    compare("character model, forward and backward of a word", contestants, 7)
    whole = {f"a program, {len(rows)} words a call": lambda: program.loss_and_grad(numbers, *rows.T)}
    compare("  the same, a word", whole, 7, per=len(rows))


SECTIONS: dict[str, Callable[[], None]] = {each.__name__: each for each in (characters, compiled_characters)}
