"""Parameters, and what an optimizer goes on with, in files."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..files import replaced
from .parameters import by_name, leaves, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from .optimizers import Optimizer, State
    from .parameters import Array


def save(
    parameters: Iterable[Any], path: str | PathLike[str], optimizer: Optimizer | None = None
) -> None:
    """Write parameters, and the state of an optimizer, to a `.npz` file, all or nothing.

    It has an array for each neuron: parameters whose labels agree up to the last dot are one, named
    so. An existing file is replaced at the end.

    >>> import tempfile
    >>> from tinygrad_lite import Value
    >>> p, q = Value(1.5, "p"), Value(0.0, "p")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save([p], f"{folder}/p.npz")
    ...     load([q], f"{folder}/p.npz")
    >>> q.data
    1.5

    Raises ValueError for a label that no archive can hold, TypeError for an optimizer that keeps
    more than numbers.
    """
    named = by_name(leaves("save", parameters)).items()
    arrays = {name: np.squeeze([each.data for each in group]) for name, group in named}
    for name, array in ({} if optimizer is None else _arrays_of(optimizer)).items():
        if name in arrays:
            raise ValueError(f"save: {name!r} is the optimizer's; label the parameters otherwise")
        arrays[name] = array
    for name in arrays:
        _check_name(name)
    with replaced(path) as part, zipfile.ZipFile(part, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array)


def load(
    parameters: Iterable[Any], path: str | PathLike[str], optimizer: Optimizer | None = None
) -> None:
    """Read parameters, and the state of an optimizer, from a file that `save` wrote.

    Nothing in it is executed. The labels and the order must be those of saving; what else is in the
    file is left alone. Raises ValueError for another kind of file, a missing name or a wrong shape,
    and then changes nothing.
    """
    named = by_name(leaves("load", parameters))
    shapes = {name: (len(group),) if len(group) > 1 else () for name, group in named.items()}
    state = {} if optimizer is None else optimizer.state()
    arrays = _read(str(path), [*shapes, *map(_key, state)])
    for name, shape in shapes.items():
        _check(arrays, name, [shape], str(path))
    kept = {} if optimizer is None else _state_of(optimizer, state, arrays, str(path))
    numbers = [arrays[name].astype(float).ravel() for name in named]
    write([each for group in named.values() for each in group], np.concatenate(numbers))
    if optimizer is not None:
        optimizer.restore(kept)


def _key(name: str) -> str:
    """How an array of an optimizer's state is named in a file."""
    return f"optimizer/{name}"


def _arrays_of(optimizer: Optimizer) -> dict[str, Array]:
    arrays = {}
    for name, x in optimizer.state().items():
        array = np.asarray(x)
        if array.dtype.kind not in "biuf":
            got = f"{x!r} as {name!r} of {type(optimizer).__name__}"
            raise TypeError(f"save: expected an optimizer that keeps numbers, got {got}")
        arrays[_key(name)] = array
    return arrays


def _state_of(optimizer: Optimizer, state: State, arrays: dict[str, Array], path: str) -> State:
    """The optimizer's state as it is in a file, each in the form that it has now."""
    found = {}
    for name, now in state.items():
        key = _key(name)
        # What steps leave is 0.0 before the first, and a number for each parameter after it.
        shapes = [(), (len(optimizer.parameters),)]
        _check(arrays, key, [(len(now),)] if isinstance(now, tuple) else shapes, path)
        listed = arrays[key].tolist()
        found[name] = arrays[key] if arrays[key].ndim else listed
        if isinstance(now, tuple):
            found[name] = tuple(listed)
    return found


def _check_name(name: str) -> None:
    """Raise ValueError for a name that would be another when it is read."""
    entry = f"{name}.npy"
    try:
        length = len(entry.encode())
    except UnicodeEncodeError:
        length = 0
    # ZipInfo cuts a name off at a NUL.
    if not 0 < length < 2**16 or zipfile.ZipInfo(entry).filename != entry:
        shown = repr(name) if len(name) < 60 else f"{name[:60]!r}…"
        raise ValueError(f"save: no archive can hold the name {shown}; change the label")


def _read(path: str, names: Iterable[str]) -> dict[str, Array]:
    """The arrays of those names that are in the file."""
    with Path(path).open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                entries = set(archive.namelist())
                found = [name for name in names if f"{name}.npy" in entries]
                return {name: _read_array(archive.open(f"{name}.npy")) for name in found}
        except Exception as error:  # a damaged file can fail anywhere in zipfile and NumPy
            problem = f"{path!r} is no .npz file that can be read ({error})"
            raise ValueError(f"load: {problem}") from None


def _read_array(entry: IO[bytes]) -> Array:
    with entry:
        array: Array = np.lib.format.read_array(entry, allow_pickle=False)
    return array


def _check(arrays: dict[str, Array], name: str, shapes: list[tuple[int, ...]], path: str) -> None:
    """Raise ValueError unless an array of that name has real numbers and one of the shapes."""
    if name not in arrays:
        advice = "build the network as it was when it was saved"
        raise ValueError(f"load: {path!r} has no {name!r}; {advice}")
    array = arrays[name]
    if array.shape not in shapes or array.dtype.kind not in "biuf":
        expected = f"{name!r} in {path!r} to be float64 of shape {shapes[-1]}"
        got = f"{array.dtype} of shape {array.shape}"
        raise ValueError(f"load: expected {expected}, got {got}")
