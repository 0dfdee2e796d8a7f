"""Training from the same parts: neurons made of `dot`, optimizers, and a plain loop over the compiled program."""

from .network import MLP, SGD, Adam, AdamW, Layer, Neuron, Optimizer, clip_grad_norm, fit, load, one_hot, save

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "AdamW",
    "Layer",
    "Neuron",
    "Optimizer",
    "clip_grad_norm",
    "fit",
    "load",
    "one_hot",
    "save",
]
