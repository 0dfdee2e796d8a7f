"""A minimal scalar autograd engine: write arithmetic on `Value`s, call `backward()`, read the derivatives.

>>> import tinygrad_lite as tl
>>> a, b = tl.Value(2.0, "a"), tl.Value(1.0, "b")
>>> e = (a + b) * (b + 1)
>>> e.backward()
>>> a.grad, b.grad
(2.0, 5.0)
"""

from .functional import binary_cross_entropy, cross_entropy, log_softmax, logsumexp, mean, softmax
from .ops import (
    OPS,
    Op,
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    declare,
    div,
    dot,
    equal,
    erf,
    erfc,
    exp,
    exp_difference,
    expm1,
    gaussian,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    pow,
    relu,
    sigmoid,
    sign,
    sin,
    sinh,
    softplus,
    sqrt,
    step,
    stop_gradient,
    sub,
    sum,
    tan,
    tanh,
    where,
)
from .value import Value, topological_order
