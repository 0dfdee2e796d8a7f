"""The figures of `compile` and `vectorize`, sections of bench.py: arrays, networks, branches, long formulas."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from bench import compare, once, peer

import tinygrad_lite as tl

Timed = Callable[[], Any]


def pair(title: str, ours: Timed, *others: tuple[str, Callable[[], Timed]]) -> list[float]:
    """Ours against others that are made here: a peer that is not installed is left out."""
    contestants = {"tinygrad_lite": ours}
    for name, make in others:
        try:
            contestants[name] = make()
        except ImportError as error:
            print(f"  ({error.name} is not installed)")
    return compare(title, contestants, rounds=15, least=0.02)


def jax_jit(function, arrays):
    """The values and derivatives of a formula that is given a module of functions."""
    import jax

    jax.config.update("jax_enable_x64", True)

    class Functions:
        exp, log, sqrt, tanh = jax.numpy.exp, jax.numpy.log, jax.numpy.sqrt, jax.numpy.tanh
        sigmoid, norm_cdf = jax.nn.sigmoid, jax.scipy.stats.norm.cdf

    def value_and_grad(*args):
        value, pull = jax.vjp(lambda *args: function(Functions, *args), *args)
        return value, *pull(jax.numpy.ones_like(value))

    compiled = jax.jit(value_and_grad)
    return lambda: jax.block_until_ready(compiled(*arrays))


# The formula σ(ab+c)·tanh(a-c/b) + log(1+e^(bc)) and its three derivatives


def formula(module, a, b, c):
    return module.sigmoid(a * b + c) * module.tanh(a - c / b) + module.log(1 + module.exp(b * c))


def formula_program():
    inputs = [tl.Value(x) for x in (1.1, 0.7, 0.3)]
    return tl.compile(formula(tl, *inputs), inputs)


def formula_numpy(a, b, c):
    s, t, e = 1 / (1 + np.exp(-(a * b + c))), np.tanh(a - c / b), np.exp(b * c)
    ds, dt, de = t * s * (1 - s), s * (1 - t * t), e / (1 + e)
    return s * t + np.log(1 + e), ds * b + dt, ds * a + dt * c / (b * b) + de * c, ds - dt / b + de * b


def formula_torch(arrays):
    import torch

    torch.set_num_threads(1)
    inputs = [torch.tensor(array, requires_grad=True) for array in arrays]

    def call():
        value = formula(torch, *inputs)
        return value.detach(), torch.autograd.grad(value.sum(), inputs)

    return call


def formula_ddx(arrays):
    import ddx

    class Functions:
        sigmoid, tanh, log, exp = staticmethod(lambda x: 1 / (1 + ddx.exp(-x))), ddx.tanh, ddx.log, ddx.exp

    equation = ddx.equation(lambda: formula(Functions, *(ddx.var(name) for name in "abc")))
    equation.compile()
    point = np.array(arrays)
    return lambda: equation.jacobian(point)


def points(count):
    chance = np.random.default_rng(0)
    return [chance.uniform(0.5, 2, count) for _ in range(3)]


def formula_at_a_million_points():
    arrays, program = points(10**6), formula_program()
    pair(
        "formula, 10^6 points",
        lambda: program.value_and_grad(*arrays),
        ("JAX jit", lambda: jax_jit(formula, arrays)),
        ("ddx-ad", lambda: formula_ddx(arrays)),
        ("PyTorch", lambda: formula_torch(arrays)),
        ("NumPy", lambda: functools.partial(formula_numpy, *arrays)),
    )


def formula_on_two_cores():
    """Run alone: XLA counts the cores when it starts."""
    arrays, program = points(10**6), formula_program()
    pair(
        "formula, 10^6 points, two cores",
        lambda: program.value_and_grad(*arrays, threads=2),
        ("JAX jit", lambda: jax_jit(formula, arrays)),
        ("one core", lambda: functools.partial(program.value_and_grad, *arrays)),
    )


def formula_at_ten_points():
    arrays, program = points(10), formula_program()
    pair("formula, 10 points", lambda: program.value_and_grad(*arrays))


# The price of an option after Black and Scholes, and its five greeks


def price(module, spot, strike, time, rate, volatility):
    spread = volatility * module.sqrt(time)
    d = (module.log(spot / strike) + (rate + volatility * volatility / 2) * time) / spread
    paid = strike * module.exp(-rate * time)
    return spot * module.norm_cdf(d) - paid * module.norm_cdf(d - spread)


def black_scholes():
    chance = np.random.default_rng(0)
    ranges = [(50, 150), (50, 150), (0.1, 2), (0, 0.1), (0.1, 0.5)]
    arrays = [chance.uniform(low, high, 10**5) for low, high in ranges]
    inputs = [tl.Value((low + high) / 2) for low, high in ranges]
    program = tl.compile(price(tl, *inputs), inputs)
    pair(
        "option and its greeks, 10^5 points",
        lambda: program.value_and_grad(*arrays),
        ("JAX jit", lambda: jax_jit(price, arrays)),
    )


# Perceptrons with relu and a hinge loss


def network(sizes, layer_of=None):
    chance = random.Random(0)
    xs, y, parameters = [tl.Value(0.1) for _ in range(sizes[0])], tl.Value(1.0), []
    layer = xs
    for depth, (width, height) in enumerate(itertools.pairwise(sizes)):
        rows = [[tl.Value(chance.uniform(-1, 1) / width**0.5) for _ in range(width)] for _ in range(height)]
        biases = [tl.Value(0.0) for _ in range(height)]
        parameters.append((rows, biases))
        layer = [tl.dot(row, layer) + bias for row, bias in zip(rows, biases, strict=True)]
        if depth < len(sizes) - 2:
            layer = [tl.relu(z) for z in layer]
    return xs, y, parameters, tl.relu(1 - y * layer[0])


def data(sizes, count):
    chance = np.random.default_rng(0)
    return chance.normal(size=(count, sizes[0])), np.sign(chance.normal(size=count))


def network_torch(parameters, x, y):
    import torch

    torch.set_num_threads(1)
    x, y = torch.tensor(x), torch.tensor(y)
    layers = []
    for rows, biases in parameters:
        weight = torch.tensor([[w.data for w in row] for row in rows], dtype=torch.float64, requires_grad=True)
        bias = torch.tensor([b.data for b in biases], dtype=torch.float64, requires_grad=True)
        layers.append((weight, bias))

    def call():
        rows = x
        for depth, (weight, bias) in enumerate(layers):
            rows = torch.nn.functional.linear(rows, weight, bias)
            rows = rows if depth == len(layers) - 1 else torch.relu(rows)
        for weight, bias in layers:
            weight.grad = bias.grad = None
        loss = torch.relu(1 - y * rows[:, 0]).mean()
        loss.backward()
        return loss.item()

    return call


def network_jax(parameters, x, y):
    import jax

    jax.config.update("jax_enable_x64", True)
    weights = [
        (np.array([[w.data for w in row] for row in rows]), np.array([b.data for b in biases]))
        for rows, biases in parameters
    ]

    def loss(layers):
        rows = x
        for depth, (weight, bias) in enumerate(layers):
            rows = rows @ weight.T + bias
            rows = rows if depth == len(layers) - 1 else jax.nn.relu(rows)
        return jax.nn.relu(1 - y * rows[:, 0]).mean()

    compiled = jax.jit(jax.value_and_grad(loss))
    return lambda: jax.block_until_ready(compiled(weights))


def network_micrograd(sizes, x, y):
    from micrograd.nn import MLP

    model = MLP(sizes[0], list(sizes[1:]))

    def call():
        losses = [(1 + -target * model([*point])).relu() for point, target in zip(x.tolist(), y.tolist(), strict=True)]
        loss = sum(losses) * (1 / len(losses))
        model.zero_grad()
        loss.backward()
        return loss.data

    return call


def training(sizes, count, *, jax=False, micrograd=False):
    xs, y, parameters, loss = network(sizes)
    program, (x, target) = tl.compile(loss, [xs, y]), data(sizes, count)
    others = [("PyTorch", lambda: network_torch(parameters, x, target))]
    if jax:
        others.append(("JAX jit", lambda: network_jax(parameters, x, target)))
    name = f"gradient of {'-'.join(map(str, sizes))}, {count} points"
    best = pair(name, lambda: program.backward(x, target), *others)
    numbers = np.array([parameter.data for parameter in program.parameters])
    pair("  with the parameters in an array", lambda: program.loss_and_grad(numbers, x, target), *others[:1])
    if micrograd and peer("micrograd"):
        print(f"  micrograd {once(network_micrograd(sizes, x, target)) / best[0]:.0f}×")


def training_a_small_network():
    training((2, 16, 16, 1), 100, jax=True, micrograd=True)


def training_on_ten_thousand_points():
    training((2, 16, 16, 1), 10_000)


def training_a_wide_network():
    training((64, 128, 128, 1), 256)


# Compiling


def recording_and_compiling():
    def ready():
        xs, y, _, loss = network((64, 128, 128, 1))
        tl.compile(loss, [xs, y]).backward(*data((64,), 1))

    print(f"record, compile and first gradient of 64-128-128-1: {once(ready):.2f} s")


def compiling_a_long_formula():
    chance = random.Random(0)
    inputs = [tl.Value(chance.uniform(0.5, 1)) for _ in range(3)]
    nodes = list(inputs)
    kinds = [
        tl.sin,
        tl.tanh,
        tl.sigmoid,
        lambda x: x * chance.choice(nodes[-50:]),
        lambda x: tl.sin(x) + chance.choice(nodes[-50:]),
    ]
    while len(nodes) < 84_000:
        nodes.append(chance.choice(kinds)(nodes[-1]))
    root = nodes[-1]
    size = len(tl.topological_order(root))
    program = []
    spent = once(lambda: program.append(tl.compile(root, inputs)))
    first = once(lambda: program[0](1.0, 1.0, 1.0))
    gradient = once(lambda: program[0].value_and_grad(1.0, 1.0, 1.0))
    print(f"formula of {size} nodes: compiled in {spent:.2f} s, first values {first:.2f} s, gradients {gradient:.2f} s")


# Control flow


def branching():
    def branched(x, y):
        if x > 1.5:
            return tl.exp(-x) * y
        if x > 1:
            return tl.sin(x) * y
        return tl.log(x) * y

    def free(x, y):
        return tl.exp(-x) * y

    x, y, _ = points(10**6)
    f, g = tl.vectorize(branched), tl.vectorize(free)
    best = pair("3-way if, 10^6 points", lambda: f(x, y), ("branch-free", lambda: functools.partial(g, x, y)))
    free_of = functools.partial(g.value_and_grad, x, y)
    both = pair("  and derivatives", lambda: f.value_and_grad(x, y), ("branch-free", lambda: free_of))
    print(f"  {best[0] / best[1]:.2f} and {both[0] / both[1]:.2f} times the branch-free time")


SECTIONS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        formula_at_a_million_points,
        formula_at_ten_points,
        formula_on_two_cores,
        black_scholes,
        training_a_small_network,
        training_on_ten_thousand_points,
        training_a_wide_network,
        recording_and_compiling,
        compiling_a_long_formula,
        branching,
    )
}
