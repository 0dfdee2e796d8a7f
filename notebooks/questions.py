"""The questions of the notebooks, with what is right. Do not read on if you want to find it.

A question is a cell to fill in: `"1.chain"` is the cell `chain` of notebook 1. A part of it has the
name that is printed, what is right, a number or a list, and a hint; and what is said to mistakes
that are easily made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Part(NamedTuple):
    """One answer of a question."""

    name: str
    right: Any
    hint: str
    mistakes: Mapping[Any, str] = MappingProxyType({})


FACTOR = "of a product, the derivative for one factor is the other factor"
CHANGE = "each argument adds its partial times its tangent"
EDGE = "what found has of node, times the local derivative"
FACTORS = "two factors: what found has of node, and the local derivative"

QUESTIONS: dict[str, list[Part]] = {
    # The computational graph
    "1.values": [
        Part("c", 3, "c is a + b"),
        Part("d", 2, "d is b + 1"),
        Part("e", 6, "e is the product of c and d", {5: "that is the sum of c and d"}),
    ],
    "1.edges": [
        Part("∂c/∂a", 1, "c = a + b: if a grows by 1, by how much does c?"),
        Part("∂c/∂b", 1, "c = a + b: if b grows by 1, by how much does c?"),
        Part("∂d/∂b", 1, "d = b + 1: what does the constant change?"),
        Part("∂e/∂c", 2, FACTOR, {3: "that is c; which is the other factor?"}),
        Part("∂e/∂d", 3, FACTOR, {2: "that is d; which is the other factor?"}),
    ],
    "1.chain": [
        Part("∂e/∂a", 2, "the path is a → c → e: multiply what stands on its edges"),
        Part(
            "∂e/∂b",
            5,
            "what comes along the path through d?",
            {
                2: "that is the path through c alone; b is used twice",
                3: "that is the path through d alone; b is used twice",
                6: "along a path we multiply, but paths are added",
            },
        ),
    ],
    "1.quotient": [
        Part(
            "quotient",
            5.1,
            "first e at b = 1.1, then how far it is from 6, divided by h",
            {
                5: "that is the derivative; the quotient with h = 0.1 is a little off it",
                0.51: "that is how far e moved; divide by h",
            },
        ),
    ],
    "1.misprint": [
        Part("∂1/∂b", 0, "by how much does the number 1 change when b does?"),
        Part("∂a/∂b", 0, "a and b are both leaves: does a change when b does?"),
    ],
    "1.wrong": [
        Part(
            "x.grad",
            6,
            "y is visited twice: with what in y.grad each time?",
            {4: "that is the right derivative; the walk visits y before y.grad is complete"},
        ),
    ],
    # The sigmoid
    "2.local": [
        Part("∂(-x)/∂x", -1, "what is the slope of -x?"),
        Part("∂exp(v)/∂v", 1, "the exponential is its own derivative, here at v = -0"),
        Part("∂u/∂exp(v)", 1, "u = 1 + exp(v)"),
        Part(
            "∂s/∂u",
            -1 / 4,
            "the derivative of 1/u is -1/u²",
            {1 / 4: "1/u falls when u grows: what is its sign?"},
        ),
        Part(
            "∂s/∂x",
            1 / 4,
            "multiply the four",
            {-1 / 4: "multiply the four: both minus signs count"},
        ),
    ],
    "2.shape": [
        Part(
            "s",
            1 / 2,
            "the parabola is 0 at s = 0 and s = 1: what lies half way?",
            {0: "there the parabola is 0", 1: "there the parabola is 0"},
        ),
        Part("x", 0, "for which x is σ(x) that s?"),
        Part("σ'(x)", 1 / 4, "s·(1 - s) at that s", {1 / 2: "that is s; what is s·(1 - s)?"}),
    ],
    "2.bound": [
        Part(
            "at most",
            0.25**10,
            "ten factors: how large is each, at most?",
            {2.5: "the local derivatives are multiplied, not added"},
        ),
    ],
    "2.symmetry": [
        Part("slope", 0, "by the claim the sum is a constant"),
    ],
    "2.series": [
        Part("c_0", 1 / 2, "the function's own value, divided by 0! = 1"),
        Part("c_1", 1 / 4, "the first derivative, divided by 1! = 1"),
        Part("c_2", 0, "the second derivative, divided by 2! = 2"),
        Part(
            "c_3",
            -1 / 48,
            "the third derivative, divided by 3!",
            {-1 / 8: "that is the third derivative, and the sheet's misprint: divide by 3!"},
        ),
    ],
    # A forward pass, and the backward pass after it
    "3.hidden-yours": [
        Part("a1", 9, "the first row of W times x, three terms; mind the signs"),
        Part("a2", -11, "the second row of W times x, three terms; mind the signs"),
        Part("h1", 9, "a ReLU leaves a positive number as it is"),
        Part("h2", 0, "what does a ReLU make of a negative number?", {-11: "that is a2"}),
    ],
    "3.output-yours": [
        Part("z1", 54, "the first row of U times h, two terms"),
        Part("z2", 18, "the second row of U times h, two terms"),
    ],
    "3.softmax-yours": [
        Part(
            "k",
            -36,
            "in the formula for p2 the denominator is nearly 1: what is above it?",
            {36: "p2 is less than 1: mind the sign"},
        ),
        Part("class", 1, "the class with the largest share"),
    ],
    "3.misprint": [
        Part("ours", 1, "shares of one whole"),
        Part("the sheet's", 2, "two vectors, each of shares"),
    ],
    "3.parameters-yours": [
        Part(
            "weights",
            10,
            "one for each edge: 3·2 in the first layer, and then?",
            {6: "that is the first layer alone", 4: "that is the second layer alone"},
        ),
        Part(
            "biases",
            4,
            "one for each neuron that adds something up, 0 or not",
            {2: "that is one layer"},
        ),
    ],
    "3.outputs-yours": [
        Part("∂L/∂z1", 1, "p1 - y1: what is p1, nearly?"),
        Part("∂L/∂z2", -1, "p2 - y2: what is p2, nearly?", {1: "mind the sign of p2 - y2"}),
    ],
    "3.hidden-back": [
        Part(
            "∂L/∂h",
            [4, -9],
            "the first column of U times p - y, then the second",
            {
                (8, 7): "mind the minus of p2 - y2",
                (7, -6): "that is U(p - y): take the columns of U",
            },
        ),
        Part("δ", [4, 0], "a2 = -11: is its ReLU flat there?", {(4, -9): "that is ∂L/∂h"}),
    ],
    "3.still": [
        Part(
            "still learning",
            2,
            "∂L/∂U = g hᵀ with h = 0, and both ReLUs are flat: what is left?",
            {0: "z = U h + c: is there a part of z that does not go through h?"},
        ),
    ],
    # Maximum likelihood and cross-entropy
    "4.likelihood-yours": [
        Part(
            "dL/dθ",
            0.25,
            "the product rule, for θ³ and 1 - θ",
            {0.375: "that is 3θ²(1 - θ) alone; 1 - θ depends on θ too"},
        ),
        Part(
            "θ",
            3 / 4,
            "set the derivative to 0 and divide by θ²",
            {0.5: "there L still rises: the derivative at 0.5 is not 0"},
        ),
    ],
    "4.gaussian-yours": [
        Part("μ", 2, "the derivative for μ is 0 where the x - μ add up to 0"),
        Part(
            "σ²",
            1,
            "the derivative for σ² is 0 where σ² is the mean of something",
            {2: "that divides by m - 1: another estimate, without bias, not the most likely one"},
        ),
    ],
    "4.empirical": [
        Part("p̂(7)", 1 / 2, "each sample has the weight 1/m; how often does 7 occur?"),
        Part("E[x]", 7, "Σ p̂(x)·x, which is the mean of the samples"),
    ],
    "4.c-yours": [
        Part(
            "log L", 3 / 4, "a larger L has a larger logarithm: does the place of the largest move?"
        ),
        Part("(log L) / 4", 3 / 4, "does a division by 4 move the place of the largest?"),
    ],
    "4.underflow-yours": [
        Part(
            "log10",
            1000 * math.log10(0.3),
            "the logarithm of a product is a sum: a thousand times log10(0.3)",
        ),
        Part("product", 0, "which float is nearest to 10^-523, if none is near?"),
    ],
    "4.d-yours": [
        Part("shares", [1 / 4, 1 / 2, 1 / 4], "in brackets: how often is each class drawn?"),
        Part(
            "∇H at 0",
            [1 / 12, -1 / 6, 1 / 12],
            "p - p̂, as in notebook 3; what is softmax of three equal numbers?",
            {(-1 / 12, 1 / 6, -1 / 12): "that goes up the log-likelihood; H is its negative"},
        ),
        Part("∇H at the optimum", [0, 0, 0], "what is a gradient at a minimum?"),
        Part("∇(KL - H)", [0, 0, 0], "KL - H = -H(p̂): does it contain θ?"),
    ],
    # Training a network
    "5.count": [
        Part(
            "count",
            337,
            "2·16 + 16 for the first layer, and then?",
            {304: "those are the weights; each neuron has a bias too"},
        ),
    ],
    "5.hinge-yours": [
        Part("loss a", 1.3, "what is y·s, with its sign?", {0.7: "mind the sign: y·s is -0.3"}),
        Part("slope a", 1, "1 - y·s at y = -1: how does it change with s?", {-1: "and y = -1?"}),
        Part("loss b", 0, "1 - y·s is negative: what is the maximum?", {-1: "and the maximum?"}),
        Part("slope b", 0, "where the maximum is 0, does it move when s moves a little?"),
    ],
    "5.momentum": [
        Part(
            "first",
            -0.1,
            "there is no step before: v is the derivative",
            {0.1: "against the derivative: mind the sign"},
        ),
        Part(
            "second",
            -0.19,
            "v is the derivative plus 0.9 times the v of the first step",
            {-0.1: "what is left of the v before?", 0.19: "against the derivative: mind the sign"},
        ),
    ],
    "5.jacobian": [
        Part("∂r/∂a", 1 - math.exp(-0.076), "r is linear in a: what stands beside it?"),
        Part(
            "∂r/∂b",
            500 * 760 * math.exp(-0.076),
            "a times the derivative of -e^(-bx) for b",
            {500 * math.exp(-0.076): "and the derivative of -bx for b?"},
        ),
    ],
    # Inside
    "6.backward-yours": [
        Part("∂e/∂a", 2, EDGE, {1: FACTORS}),
        Part("∂e/∂b", 5, EDGE, {2: FACTORS}),
    ],
    "6.swish-yours": [
        Part(
            "rule at 0.7",
            1 / (1 + math.exp(-0.7)) * (1 + 0.7 / (1 + math.exp(0.7))),
            "the product rule: two terms",
            {1 / (1 + math.exp(-0.7)): "that is the term for x; σ(x) depends on x too"},
        ),
    ],
    "6.tangent-yours": [
        Part("∂e/∂b", 5, CHANGE),
        Part("tanh'(1)", 1 - math.tanh(1) ** 2, CHANGE),
    ],
}
