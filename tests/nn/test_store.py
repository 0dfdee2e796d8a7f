"""Parameters and optimizers in files."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value
from tinygrad_lite.nn import MLP, SGD, Adam, Layer, Optimizer, RMSprop, load, save


def numbers(parameters: list[Value]) -> list[float]:
    return [parameter.data for parameter in parameters]

def test_saved_parameters_load_into_the_same_network(tmp_path: Path) -> None:
    net, other = MLP(2, [3, 1], seed=1), MLP(2, [3, 1], seed=2)
    save(net.parameters(), tmp_path / "net.npz")
    load(other.parameters(), str(tmp_path / "net.npz"))
    assert numbers(other.parameters()) == numbers(net.parameters())
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


def test_the_file_has_an_array_for_each_neuron(tmp_path: Path) -> None:
    net = MLP(2, [2, 1])
    save([*net.parameters(), Value(0.5, "mu"), Value(1.0), Value(2.0)], tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as archive:
        shapes = {name: archive[name].shape for name in archive.files}
        assert archive["unnamed"].tolist() == [1.0, 2.0]
        assert archive["n1,2"].tolist() == numbers(net.layers[0].neurons[1].parameters())
    assert shapes == {"n1,1": (3,), "n1,2": (3,), "n2,1": (3,), "mu": (), "unnamed": (2,)}


@pytest.mark.parametrize("label", ["file", "allow_pickle", "a/b", "../up", "σ", "with space", "x.npy", "arr_0"])
def test_any_label_can_be_saved(tmp_path: Path, label: str) -> None:
    p, q = Value(1.5, label), Value(0.0, label)
    save([p], tmp_path / "p.npz")
    load([q], tmp_path / "p.npz")
    assert q.data == 1.5
    assert len(list(tmp_path.iterdir())) == 1


def test_a_part_of_a_file_can_be_loaded(tmp_path: Path) -> None:
    save(MLP(2, [3, 1], seed=1).parameters(), tmp_path / "net.npz")
    first = Layer(2, 3, label="n1,", seed=2)
    load(first.parameters(), tmp_path / "net.npz")
    assert numbers(first.parameters()) == numbers(MLP(2, [3, 1], seed=1).layers[0].parameters())


def test_saving_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save([Value(1.0, "p")], tmp_path / "p.npz")

    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np.lib.format, "write_array", fails)
    with pytest.raises(OSError, match="no space left"):
        save([Value(2.0, "p")], tmp_path / "p.npz")
    monkeypatch.undo()
    p = Value(0.0, "p")
    load([p], tmp_path / "p.npz")
    assert p.data == 1.0
    assert len(list(tmp_path.iterdir())) == 1


class Trap:
    """Unpickling it would be seen."""

    sprung = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "sprung", True)


def damage(path: Path, kind: str) -> None:
    """Spoil a saved file."""
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "flipped":
        with zipfile.ZipFile(path) as archive:
            at = archive.infolist()[-1].header_offset + 180
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Trap()))
    elif kind == "pickle inside":
        with path.open("wb") as file:
            np.savez(file, allow_pickle=True, **{"n1,1": np.array([Trap()], dtype=object)})
    else:
        path.write_bytes({"empty": b"", "text": b"hello\n", "zip": b"PK\x05\x06" + bytes(17)}[kind])


@pytest.mark.parametrize("kind", ["truncated", "flipped", "npy", "pickle", "pickle inside", "empty", "text", "zip"])
def test_a_damaged_or_foreign_file_leaves_the_network_unchanged(tmp_path: Path, kind: str) -> None:
    path, net = tmp_path / "net.npz", MLP(2, [2, 1])
    save(MLP(2, [2, 1], seed=1).parameters(), path)
    damage(path, kind)
    before = numbers(net.parameters())
    with pytest.raises(ValueError, match=r"^load: '.*net\.npz' is no \.npz file that can be read \(.+\)$"):
        load(net.parameters(), path)
    assert numbers(net.parameters()) == before
    assert not Trap.sprung


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "load: 'net.npz' has no 'n1'; build the network as it was when it was saved"),
        ({"n1": np.ones(3)}, "load: 'net.npz' has no 'n2'; build the network as it was when it was saved"),
        ({"n1": np.ones(3), "n2": np.ones(2)}, "load: expected 'n2' in 'net.npz' to be float64 of shape (3,), got float64 of shape (2,)"),
        ({"n1": np.ones(3), "n2": np.ones((3, 1))}, "load: expected 'n2' in 'net.npz' to be float64 of shape (3,), got float64 of shape (3, 1)"),
        ({"n1": np.ones(3), "n2": np.array(["a"] * 3)}, "load: expected 'n2' in 'net.npz' to be float64 of shape (3,), got <U1 of shape (3,)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_leaves_the_network_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("net.npz", **arrays)
    layer = Layer(2, 2)
    before = numbers(layer.parameters())
    with pytest.raises(ValueError, match="load") as caught:
        load(layer.parameters(), "net.npz")
    assert str(caught.value) == message
    assert numbers(layer.parameters()) == before


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        load([Value(0.0, "p")], tmp_path / "none.npz")


OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda ps: SGD(ps, 0.1),
    "momentum": lambda ps: SGD(ps, 0.1, momentum=0.9),
    "rmsprop": lambda ps: RMSprop(ps, 0.1),
    "adam": lambda ps: Adam(ps, 0.1, (0.8, 0.9)),
}


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_training_goes_on_from_a_file(tmp_path: Path, kind: str, steps: int) -> None:
    def part(p: Value, optimizer: Optimizer, count: int) -> None:
        for _ in range(count):
            p.grad = p.data - 3
            optimizer.step()

    make, p, q = OPTIMIZERS[kind], Value(1.0, "p"), Value(0.0, "p")
    first, second = make([p]), make([q])
    part(p, first, steps)
    first.lr = 0.05
    save([p], tmp_path / "p.npz", first)
    if kind == "adam":
        second.betas = 0.1, 0.1
    load([q], tmp_path / "p.npz", second)
    assert second.lr == 0.05
    assert [type(kept) for kept in second.state().values()] == [type(kept) for kept in first.state().values()]
    part(p, first, 3)
    part(q, second, 3)
    assert p.data == q.data


def test_parameters_load_without_the_optimizer_that_is_beside_them(tmp_path: Path) -> None:
    p, q = Value(1.0, "p"), Value(0.0, "p")
    save([p], tmp_path / "p.npz", Adam([p]))
    load([q], tmp_path / "p.npz")
    assert q.data == 1.0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda q: Adam([q]), "load: 'p.npz' has no 'optimizer/betas'; build the network as it was when it was saved"),
        (lambda q: SGD([q, Value(0.0)]), "load: expected 'optimizer/velocity' in 'p.npz' to be float64 of shape (2,), got float64 of shape (1,)"),
    ],
)
def test_an_optimizer_that_does_not_fit_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    p, q = Value(1.0, "p"), Value(0.0, "p")
    p.grad = 1.0
    optimizer = SGD([p])
    optimizer.step()
    save([p], "p.npz", optimizer)
    with pytest.raises(ValueError, match="load") as caught:
        load([q], "p.npz", other(q))
    assert str(caught.value) == message
    assert q.data == 0.0


def test_an_optimizer_that_keeps_more_than_numbers_is_refused(tmp_path: Path) -> None:
    optimizer = SGD([Value(1.0, "p")])
    setattr(optimizer, "name", "plain")  # noqa: B010
    with pytest.raises(TypeError) as caught:
        save(optimizer.parameters, tmp_path / "p.npz", optimizer)
    assert str(caught.value) == "save: expected an optimizer that keeps numbers, got 'plain' as 'name' of SGD"
    assert not list(tmp_path.iterdir())
    save(optimizer.parameters, tmp_path / "p.npz")
    with pytest.raises(ValueError, match=r"^load: .* has no 'optimizer/lr'; build the network as it was when it was saved$"):
        load(optimizer.parameters, tmp_path / "p.npz", optimizer)


NO_NAMES = ["a\0b", "a\0.w1", "\0", "\ud800", "x" * 70_000, "\0x.w"]


@pytest.mark.parametrize("label", NO_NAMES, ids=ascii)
def test_a_label_that_would_be_read_as_another_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(ValueError, match=r"^save: no archive can hold the name .*; change the label$"):
        save([Value(1.0, "b"), Value(2.0, label)], tmp_path / "p.npz")
    assert not list(tmp_path.iterdir())


def test_the_name_of_an_optimizers_array_is_taken(tmp_path: Path) -> None:
    p = Value(1.0, "optimizer/lr")
    with pytest.raises(ValueError, match=r"^save: 'optimizer/lr' is the optimizer's; label the parameters otherwise$"):
        save([p], tmp_path / "p.npz", SGD([p]))


@pytest.mark.parametrize(
    "labels",
    [["x", "x.npy"], ["x.npy", "x"], ["x.npy.npy", "x.npy", "x"], ["a", "A"], ["a/b", "a\\b"], [".w", "w."], ["é", "e\u0301"], ["", "unnamed"], [" ", "\n"]],
)  # fmt: skip
def test_names_that_are_nearly_alike_stay_apart(tmp_path: Path, labels: list[str]) -> None:
    ps, qs = ([Value(x, label) for x, label in zip(start, labels, strict=False)] for start in ([1.0, 2.0, 3.0], [0.0] * 3))
    save(ps, tmp_path / "p.npz")
    load(qs, tmp_path / "p.npz")
    assert numbers(qs) == numbers(ps)


def test_arrays_of_values_are_saved_and_loaded(tmp_path: Path) -> None:
    weights = np.array([[Value(float(i + 2 * j), "w") for i in range(2)] for j in range(2)])
    save(weights, tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as archive:
        assert archive["w"].tolist() == [0.0, 1.0, 2.0, 3.0]
    for parameter in weights.flat:
        parameter.data = 9.0
    load(weights, tmp_path / "w.npz")
    assert numbers(list(weights.flat)) == [0.0, 1.0, 2.0, 3.0]
