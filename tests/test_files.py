"""Files that are written as a whole or not at all, also where a process was killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tinygrad_lite.files import PREFIX, replaced


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_while_writing(target: Path) -> None:
    """A process that is gone before its file is whole."""
    code = f"""
import os, signal
from tinygrad_lite.files import replaced
with replaced({str(target)!r}) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with replaced(target) as part:
        part.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(tmp_path) == ["a"]


def test_what_raises_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")

    def fails() -> None:
        with replaced(target) as part:
            part.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_permissions_stay_and_a_new_file_has_the_usual_ones(tmp_path: Path) -> None:
    (tmp_path / "old").touch(mode=0o640)
    for name in ("old", "new"):
        with replaced(tmp_path / name) as part:
            part.write_text("x")
    (tmp_path / "plain").touch()
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new", "plain")}
    assert modes == {"old": 0o640, "new": modes["plain"], "plain": modes["plain"]}


def test_through_a_link_the_file_itself_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "link").symlink_to("a")
    with replaced(tmp_path / "link") as part:
        part.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "new"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=str(tmp_path)), replaced(tmp_path):
        pass
    assert not names(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks that end with their process")
@pytest.mark.parametrize(("folder", "error"), [("missing", FileNotFoundError), ("file", NotADirectoryError)])
def test_a_folder_that_is_not_there_is_told_with_the_path_asked_for(tmp_path: Path, folder: str, error: type[OSError]) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / folder / "a.npz"
    with pytest.raises(error) as raised, replaced(target):
        pass
    assert raised.value.filename == str(target)
    assert PREFIX not in str(raised.value)


def test_what_a_killed_process_left_goes_with_the_next_file(tmp_path: Path) -> None:
    killed_while_writing(tmp_path / "a")
    (left,) = names(tmp_path)
    assert left.startswith(PREFIX)
    (tmp_path / f"{PREFIX}older").touch()
    with replaced(tmp_path / "c") as part:
        part.write_text("whole")
        assert names(tmp_path) == [part.name]
    assert names(tmp_path) == ["c"]


def test_what_another_is_writing_stays(tmp_path: Path) -> None:
    with replaced(tmp_path / "a") as first:
        first.write_text("a")
        with replaced(tmp_path / "b") as second:
            second.write_text("b")
        assert first.exists()
    assert names(tmp_path) == ["a", "b"]


def test_many_at_once_do_not_take_each_others_files(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def write(which: int) -> None:
        try:
            for i in range(40):
                with replaced(tmp_path / f"{which % 2}") as part:
                    part.write_text(f"{which} {i}")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert names(tmp_path) == ["0", "1"]
    assert {(tmp_path / name).read_text().split()[1] for name in ("0", "1")} == {"39"}


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    (tmp_path / f"{PREFIX}folder").mkdir()
    with replaced(tmp_path / "a") as part:
        part.write_text("x")
    assert names(tmp_path) == [".hidden", f"{PREFIX}folder", "a"]
    assert os.listdir(tmp_path / f"{PREFIX}folder") == []  # noqa: PTH208
