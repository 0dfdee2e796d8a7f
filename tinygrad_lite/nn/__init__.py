"""Training from the same parts: networks made of `dot`, optimizers, a loop, files."""

from .clip import clip_grad_norm
from .fit import Trainer, fit
from .network import MLP, Embedding, Layer, Neuron, one_hot
from .optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from .store import load, save

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "AdamW",
    "Embedding",
    "Layer",
    "Neuron",
    "Optimizer",
    "RMSprop",
    "Trainer",
    "clip_grad_norm",
    "fit",
    "load",
    "one_hot",
    "save",
]
