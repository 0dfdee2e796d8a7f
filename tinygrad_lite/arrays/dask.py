"""Programs over Dask arrays: Dask cuts the points into blocks, each of which runs the Program.

Over Dask arrays (`pip install ".[distributed]"`) `p(X, y)` and `p.value_and_grad(X, y)` give lazy
Dask arrays, and `p.backward(X, y)` adds the gradient over all blocks to the parameters, which are
sent along with each call. Maximum likelihood of a logistic model, on files that do not fit into the
workers' memory:

```python
import dask.array as da
import numpy as np
from dask.distributed import Client

import tinygrad_lite as tl


def rows(path, block_info=None):  # the rows of one block, out of a file
    (start, stop), *_ = block_info[None]["array-location"]
    return np.load(path, mmap_mode="r")[start:stop]


def main():
    n = len(np.load("y.npy", mmap_mode="r"))
    (cut,) = da.core.normalize_chunks(10**6, (n,))
    none = np.empty((0, 4))
    X = da.map_blocks(rows, "X.npy", chunks=(cut, (4,)), dtype=float, meta=none)
    y = da.map_blocks(rows, "y.npy", chunks=(cut,), dtype=float, meta=none[:, 0])

    weights, bias = [tl.Value(0.0) for _ in range(4)], tl.Value(0.0)
    features, label = [tl.Value(0.0) for _ in range(4)], tl.Value(0.0)
    score = tl.dot(weights, features) + bias
    loss = tl.compile(tl.binary_cross_entropy(score, label), [features, label])
    optimizer = tl.nn.Adam([*weights, bias], lr=0.1)
    for step in range(20):
        optimizer.zero_grad()
        print(step, loss.backward(X, y))
        optimizer.step()


if __name__ == "__main__":
    # A cluster is Client("tcp://scheduler:8786").
    with Client(n_workers=2, threads_per_worker=1, memory_limit="1GiB"):
        main()
```

On a cluster, the files lie where every worker finds them. Parquet:
`frame = dask.dataframe.read_parquet("points")`, then
`frame[["x1", "x2", "x3", "x4"]].to_dask_array(lengths=True)`. A block that fails says which rows it
had.

Without Dask, `p(X, y, threads=2)` works on blocks in threads, as NumPy lets go of the interpreter's
lock, and `tl.compile(..., dtype="float32")` halves the memory. Pools of processes take a Program as
it is, `pool.map(p, *pieces)` of concurrent.futures or joblib's `delayed(p)`. `backward` there would
add to the `grad` of the parameters' copies; `value_and_grad` and `loss_and_grad` return what they
find.

A block is one task, from reading to result, whatever is asked of it. What `_sent` wrote down at the
call, the program and its parameters' numbers, is one key of Dask's graph that each worker fetches
once.
"""

from __future__ import annotations

import copy
import functools
import importlib
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import answers
from .kernels import kernels
from .points import Points

FAN_IN = 8
"""How many blocks' sums are added in one task; these sums again, and so on."""


def is_lazy(arrays: Sequence[Any]) -> bool:
    """Whether one of them belongs to Dask; imports nothing."""
    return "dask" in sys.modules and any(
        type(array).__module__.startswith("dask.") for array in arrays
    )


def replayed(
    program: Any, kind: Any, arrays: Sequence[Any], threads: int, numbers: Any, out: Any = None
) -> tuple[list[Any], Any, int]:
    """What a call of `program` gives, as lazy arrays of one task a block; totals are computed."""
    if kind not in (answers.values, answers.gradients, answers.totals):
        advice = "map it over the blocks"
        raise TypeError(f"program: expected arrays of NumPy, got Dask's; {advice}")
    if out is not None:
        raise TypeError("program: out: results over Dask's arrays are lazy; leave it out")
    blocks = _Blocks(program, arrays, numbers)
    if kind is answers.totals:
        return [], _summed_up(blocks, threads), blocks.points.count
    results = blocks.mapped(functools.partial(_results, kind), threads)
    sources: list[int | None] = [None for _ in blocks.outputs]
    if kind is answers.gradients:
        sources += [i for _ in blocks.outputs for i in range(len(arrays))]
    return [blocks.part(results, j, i) for j, i in enumerate(sources)], None, blocks.points.count


def at_elements(function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
    """A function of arrays that gives one of their shape, block by block: a lazy array."""
    da: Any = importlib.import_module("dask.array")
    alike = da.broadcast_arrays(*arrays)
    meta = _hollow((0,) * alike[0].ndim, float)
    return da.map_blocks(function, *alike, dtype=float, meta=meta)


def _summed_up(blocks: _Blocks, threads: int) -> Any:
    """The sums over the points of the output and the parameters' derivatives; None of no points."""
    if not blocks.points.count:
        return None
    axes, size = blocks.axes, {len(blocks.axes): 1 + len(blocks.program.parameters)}
    work = functools.partial(_totals, len(axes))
    sums = blocks.mapped(work, threads, float, new_axes=size, adjust_chunks=dict.fromkeys(axes, 1))
    return blocks.summed(sums, axes, keepdims=False).compute()


class _Blocks:
    """The arrays of one call, cut alike along the points.

    Within, all arrays have the axes of the points and then one for each input that is a list, of
    size 1 where that list is not meant: Dask makes one task of two only if they have the same axes.
    """

    def __init__(self, program: Any, arrays: Sequence[Any], numbers: Any) -> None:
        import dask.array
        from dask.delayed import delayed

        da: Any = dask.array
        self.da, self.program, self.outputs = da, program, range(len(program._outputs))
        chunked = [da.asarray(array) for array in arrays]
        self.points = points = Points(
            [_checked(i, array) for i, array in enumerate(chunked)], program._groups
        )
        if any(len(group.tail) > 1 for group in points.groups):
            problem = "Dask's arrays cannot stand for an array of Values of several axes"
            raise TypeError(f"program: {problem}; compile with its ravel()")
        whole = tuple(range(len(points.whole)))
        lists = [i for i, group in enumerate(points.groups) if group.tail]
        self.lists = dict(zip(lists, range(len(whole), len(whole) + len(lists)), strict=True))
        self.axes = (*whole, *self.lists.values())
        pairs: list[Any] = []
        for i, (array, group) in enumerate(zip(chunked, points.groups, strict=True)):
            own = whole[len(whole) + len(group.tail) - array.ndim :]
            pairs += (
                [array.rechunk({len(own): -1}), (*own, self.lists[i])]
                if i in self.lists
                else [array, own]
            )
        chunks, pairs[::2] = da.unify_chunks(*pairs)
        cut = tuple(chunks[axis] for axis in whole)
        places = da.map_blocks(
            _place, chunks=cut, dtype=object, meta=_hollow((0,) * len(whole), object)
        )
        self.given = [places, whole, *pairs]
        self.sent = delayed(_sent(program, numbers), pure=True, traverse=False)

    def mapped(
        self, work: Callable[..., Any], threads: int, dtype: Any = object, **more: Any
    ) -> Any:
        """What `work` gives for each block of points."""
        more = {"adjust_chunks": dict.fromkeys(self.lists.values(), 1)} | more
        return self.blockwise(
            _worked, self.given, dtype, work=work, sent=self.sent, threads=threads, **more
        )

    def part(self, results: Any, index: int, i: int | None = None) -> Any:
        """An array out of lists of results: of an input's shape, summed where it was broadcast."""
        whole = self.points.whole
        shape = whole if i is None else self.points.given[i].shape
        lists = {self.lists[i]: shape[-1]} if i in self.lists else {}
        missing = len(whole) + len(lists) - len(shape)
        shared = tuple(
            j
            for j, size in enumerate(whole)
            if size != 1 and (j < missing or shape[j - missing] == 1)
        )
        own = [missing <= axis < len(whole) or axis in lists for axis in self.axes]
        key = tuple(slice(None) if is_own else None for is_own in own)
        more = {"index": index, "key": key, "adjust_chunks": dict.fromkeys(shared, 1) | lists}
        array = self.blockwise(_part, [results, self.axes], self.program._dtype, **more)
        if shared:
            array = self.summed(array, shared, keepdims=True)
        return array[tuple(slice(None) if is_own else 0 for is_own in own)]

    def summed(self, array: Any, axes: Sequence[int], *, keepdims: bool) -> Any:
        """The array, summed along axes."""
        every = dict.fromkeys(axes, FAN_IN)
        return self.da.reduction(
            array, _sum, _sum, tuple(axes), keepdims, array.dtype, split_every=every
        )

    def blockwise(
        self, task: Callable[..., Any], given: Sequence[Any], dtype: Any, **more: Any
    ) -> Any:
        """Dask's, with all axes, and new ones after them."""
        axes = (*self.axes, *more.get("new_axes", ()))
        return self.da.blockwise(
            task, axes, *given, dtype=dtype, meta=_hollow((0,) * len(axes), dtype), **more
        )


def _hollow(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array that stands for one of that shape, without its memory."""
    np = kernels().np
    return np.broadcast_to(np.zeros((), dtype), shape)


def _checked(i: int, array: Any) -> Any:
    if any(size != size for size in array.shape):  # Dask writes nan
        advice = "call its compute_chunk_sizes() first"
        raise ValueError(
            f"program: array {i}: expected chunks of known size, got shape {array.shape}; {advice}"
        )
    return _hollow(array.shape, array.dtype)


def _sent(program: Any, numbers: Any) -> tuple[bytes, Any]:
    """A program without its parameters, and their numbers: as these change, it stays the same."""
    bare = copy.copy(program)
    bare.parameters = []
    return pickle.dumps(bare), numbers


# In a worker


@functools.lru_cache(maxsize=16)
def _received(structure: bytes) -> Any:
    """The program; its plans are made once in a process, not for each block and call."""
    return pickle.loads(structure)  # noqa: S301  # `_sent` wrote it


def _place(block_info: Any) -> Any:
    return block_info[None]


def _worked(place: Any, *arrays: Any, work: Callable[..., Any], sent: Any, threads: int) -> Any:
    """What `work` gives for one block; an error gets a note that says which."""
    try:
        (structure, numbers), expected = sent, place["chunk-shape"]
        program = _received(structure)
        if (shape := Points(arrays, program._groups).whole) != expected:
            raise ValueError(
                f"program: expected points of shape {expected} in a block, got {shape}"
            )
        return work(program, numbers, arrays, threads)
    except Exception as error:
        rows = ", ".join(f"{start}:{stop}" for start, stop in place["array-location"])
        error.add_note(
            f"in block {place['chunk-location']} of {place['num-chunks']}, points [{rows}]"
        )
        raise


def _results(
    kind: Any, program: Any, numbers: Any, arrays: Sequence[Any], threads: int
) -> list[Any]:
    results: list[Any] = program._computed(kind, arrays, threads, numbers).results
    return results


def _sum(array: Any, axis: Any, keepdims: bool) -> Any:
    with kernels().np.errstate(all="ignore"):
        return array.sum(axis, keepdims=keepdims)


def _part(results: Sequence[Any], index: int, key: tuple[Any, ...]) -> Any:
    return results[index][key]


def _totals(axes: int, program: Any, numbers: Any, arrays: Sequence[Any], threads: int) -> Any:
    sums = program._computed(answers.totals, arrays, threads, numbers).totals
    sums = _hollow((1 + len(numbers),), float) if sums is None else sums.astype(float)
    return sums[(None,) * axes]
