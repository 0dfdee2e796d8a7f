"""Training from the same parts: networks made of `dot`, optimizers, a loop, files.

- `network.py`: `MLP`, its `Layer` and `Neuron`, `Embedding`, `one_hot`
- `optimizers.py`: `SGD`, `RMSprop`, `Adam`, `AdamW`; `clip.py`: `clip_grad_norm`
- `fit.py`: `fit` and `Trainer`, the loop; `data.py` checks its data, `progress.py` has its bar
- `store.py`: `save` and `load`
- `parameters.py`: Values as lists and arrays, for all of these
"""

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
