"""Optimizers: rules that take the numbers and gradients of parameters to new numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.checks import check_number
from .parameters import gradient, leaves, read, write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .parameters import Array

    State = dict[str, Any]


class Optimizer:
    """What takes the parameters down the gradient: a subclass says by which rule, in `update`.

    A loop by hand is `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`; `optimizer.lr`
    and the other rates may be assigned between steps.

    >>> from tinygrad_lite import Value
    >>> class Signs(Optimizer):
    ...     def update(self, data, grad):
    ...         return data - self.lr * np.sign(grad)
    >>> p = Value(1.0)
    >>> (p * p).backward()
    >>> Signs([p], lr=0.25).step()
    >>> p.data
    0.75
    """

    def __init__(self, parameters: Iterable[Any], lr: float, weight_decay: float = 0.0) -> None:
        self.parameters = leaves(type(self).__name__, parameters)
        self.lr = self._checked("a learning rate > 0", lr, least=math.ulp(0.0))
        self.weight_decay = self._checked("a weight decay >= 0", weight_decay)

    def _checked(self, what: str, x: Any, least: float = 0.0, below: float = math.inf) -> float:
        return check_number(type(self).__name__, what, x, lambda found: least <= found < below)

    def update(self, data: Array, grad: Array) -> Array:
        """The new numbers of the parameters, from their numbers and gradients.

        What a rule keeps from step to step are attributes, numbers or arrays: `state` has them all.
        It puts new arrays in their place and does not write into the old ones, so that a step which
        fails can be taken back.
        """
        raise NotImplementedError

    def decayed(self, grad: Array, data: Array) -> Array:
        """The gradient of the loss and of weight_decay/2 · Σ p²."""
        return grad + self.weight_decay * data if self.weight_decay else grad

    def step(self) -> None:
        """Replace the `data` of each parameter, by its `grad`.

        Raises FloatingPointError, and changes nothing, if a gradient or what it leads to is
        infinite or nan.
        """
        name = type(self).__name__
        grad = gradient(name, self.parameters)
        with np.errstate(all="ignore"):
            numbers = advanced(self, read(self.parameters), grad, name)
        write(self.parameters, numbers)

    def zero_grad(self) -> None:
        """Set the `grad` of each parameter to 0."""
        for parameter in self.parameters:
            parameter.grad = 0.0

    def state(self) -> State:
        """All it goes on with: its rates, and what its steps have left."""
        state = vars(self).copy()
        del state["parameters"]
        return state

    def restore(self, state: State) -> None:
        """Go on from a `state`."""
        parameters = self.parameters
        vars(self).clear()
        vars(self).update(state, parameters=parameters)


class SGD(Optimizer):
    """Gradient descent: v ← momentum·v + ∂loss/∂p + weight_decay·p, then p ← p - lr·v.

    >>> from tinygrad_lite import Value
    >>> p = Value(1.0)
    >>> (p * p).backward()
    >>> SGD([p], lr=0.25).step()
    >>> p.data
    0.5
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = self._checked("a momentum from 0 to below 1", momentum, below=1.0)
        self.velocity: Array | float = 0.0

    def update(self, data: Array, grad: Array) -> Array:
        """The new numbers of the parameters, from their numbers and gradients."""
        grad = self.decayed(grad, data)
        self.velocity = self.momentum * self.velocity + grad if self.momentum else grad
        return data - self.lr * self.velocity


class RMSprop(Optimizer):
    """Steps of the gradient over the root of the mean of its squares (Hinton 2012, lecture 6e).

    The mean forgets at the rate `alpha`; weight decay adds to the gradient.

    >>> from tinygrad_lite import Value
    >>> p = Value(1.0)
    >>> (p * p).backward()
    >>> RMSprop([p], lr=0.25, alpha=0.75).step()
    >>> round(p.data, 6)
    0.5
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.alpha = self._checked("an alpha from 0 to below 1", alpha, below=1.0)
        self.eps = self._checked("an eps >= 0", eps)
        self.square: Array | float = 0.0

    def update(self, data: Array, grad: Array) -> Array:
        """The new numbers of the parameters, from their numbers and gradients."""
        grad = self.decayed(grad, data)
        self.square = self.alpha * self.square + (1 - self.alpha) * grad * grad
        return data - self.lr * grad / (self.square**0.5 + self.eps)


class Adam(Optimizer):
    """Steps of the size lr: the mean of the gradients over the root of that of their squares.

    The means forget at the rates `betas` and are corrected for having begun at 0; weight decay adds
    to the gradient (Kingma & Ba 2015).

    >>> from tinygrad_lite import Value
    >>> p = Value(1.0)
    >>> (p * p).backward()
    >>> Adam([p], lr=0.25).step()
    >>> round(p.data, 6)
    0.75
    """

    decoupled = False
    usual_decay = 0.0

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | None = None,
    ) -> None:
        super().__init__(parameters, lr, self.usual_decay if weight_decay is None else weight_decay)
        if np.shape(betas) != (2,):
            raise TypeError(f"{type(self).__name__}: expected two betas, got {betas!r}")
        first, second = betas
        self.betas = self._checked_beta(first), self._checked_beta(second)
        self.eps = self._checked("an eps >= 0", eps)
        self.steps = 0
        self.mean: Array | float = 0.0
        self.square: Array | float = 0.0

    def _checked_beta(self, beta: float) -> float:
        return self._checked("a beta from 0 to below 1", beta, below=1.0)

    def update(self, data: Array, grad: Array) -> Array:
        """The new numbers of the parameters, from their numbers and gradients."""
        if self.decoupled:
            data = data * (1 - self.lr * self.weight_decay)
        else:
            grad = self.decayed(grad, data)
        first, second = self.betas
        self.steps += 1
        self.mean = first * self.mean + (1 - first) * grad
        self.square = second * self.square + (1 - second) * grad * grad
        root = (self.square / (1 - second**self.steps)) ** 0.5
        return data - self.lr / (1 - first**self.steps) * self.mean / (root + self.eps)


class AdamW(Adam):
    """Adam with the weight decay apart from the gradient: first p ← p - lr·weight_decay·p.

    The decay is 0.01 unless it is given (Loshchilov & Hutter 2019).

    >>> from tinygrad_lite import Value
    >>> p = Value(1.0)
    >>> AdamW([p], lr=0.5, weight_decay=0.5).step()
    >>> p.data
    0.75
    """

    decoupled = True
    usual_decay = 0.01


def advanced(
    optimizer: Optimizer, data: Array, grad: Array, name: str, step: int | None = None
) -> Array:
    """The numbers after a step.

    Raises FloatingPointError if the gradient, the numbers after the step or what the optimizer
    keeps of it are not finite, with a message that begins with `name`; then the optimizer is as
    before.
    """
    which = optimizer.parameters
    if (i := _first_infinite(grad)) is not None:
        problem = f"the gradient of {which[i]!r} is {float(grad[i])!r}"
        raise _refusal(name, problem, step, "begin elsewhere, or smooth the loss there")
    state = optimizer.state()
    try:
        numbers = np.asarray(optimizer.update(data, grad), float)
        if numbers.shape != data.shape:
            expected = f"an update to give an array of shape {data.shape}"
            raise ValueError(f"{name}: expected {expected}, got one of shape {numbers.shape}")
        if (i := _first_infinite(numbers, data)) is not None:
            raise _refusal(name, f"the step takes {which[i]!r} to {float(numbers[i])!r}", step)
        if (kept := _first_spoiled(optimizer, state)) is not None:
            raise _refusal(name, f"the step overflows in {kept}", step)
    except BaseException:
        optimizer.restore(state)
        raise
    return numbers


def _refusal(
    name: str,
    problem: str,
    step: int | None,
    advice: str = "try a lower learning rate, or clip the gradient",
) -> FloatingPointError:
    when = "" if step is None else f" at step {step}"
    unchanged = "parameters and optimizer are as before it"
    return FloatingPointError(f"{name}: {problem}{when}; {unchanged}; {advice}")


def _first_spoiled(optimizer: Optimizer, before: State) -> str | None:
    """What the optimizer keeps that was finite and is not now: it would spoil every step."""
    for name, kept in vars(optimizer).items():
        if isinstance(kept, np.ndarray):
            i = _first_infinite(kept, before.get(name))
            if i is not None:
                return f"{name!r} (element {i})"
    return None


def _first_infinite(numbers: Array, before: Any = None) -> int | None:
    """The first place where there is inf or nan, and was not in an array of numbers before."""
    if math.isfinite(np.vdot(numbers, numbers)):  # half the time of what follows; it may overflow
        return None
    infinite = ~np.isfinite(numbers)
    if isinstance(before, np.ndarray) and before.shape == numbers.shape:
        infinite &= np.isfinite(before)
    return int(infinite.argmax()) if infinite.any() else None
