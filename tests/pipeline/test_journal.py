"""What a run has finished, on disk: lines that are true after any end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from vidstyle.errors import OptionError, OutputError
from vidstyle.pipeline.journal import Entry, Journal, identity, link
from vidstyle.store import Checkpoint, Checkpoints

SETTINGS = {"style": "scream", "strength": 1.0, "mattes": ("a", "b")}
FIRST = Entry("a.0001.png", "abc", 1234, (64, 48), "uint8", cut=True)
SECOND = Entry("a.0002.png", "def", 99, broken="copy")


def written(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.begin(SETTINGS)
    journal.start(FIRST.name)
    journal.finish(FIRST)
    journal.finish(SECOND)
    return journal


def test_lines_come_back(tmp_path: Path) -> None:
    written(tmp_path / "notes")
    again = Journal(tmp_path / "notes")
    again.begin(SETTINGS)
    assert again.entries == {FIRST.name: FIRST, SECOND.name: SECOND}
    assert again.begun == {FIRST.name, SECOND.name}


def test_nothing_is_made_before_the_first_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "notes")
    assert journal.settings is None and journal.entries == {}
    assert not (tmp_path / "notes").exists()


def test_every_beginning_of_a_journal_is_one(tmp_path: Path) -> None:
    """A run may be killed in the middle of a line."""
    whole = written(tmp_path / "whole").path.read_bytes()
    for length in range(len(whole)):
        folder = tmp_path / "torn"
        folder.mkdir(exist_ok=True)
        (folder / "journal.jsonl").write_bytes(whole[:length])
        journal = Journal(folder)
        assert len(journal.entries) == max(whole[:length].count(b"\n") - 2, 0)
        journal.begin(SETTINGS)
        journal.finish(SECOND)
        assert Journal(folder).entries[SECOND.name] == SECOND


def test_what_is_begun_again_is_not_finished(tmp_path: Path) -> None:
    written(tmp_path).start(FIRST.name)
    again = Journal(tmp_path)
    assert FIRST.name not in again.entries and FIRST.name in again.begun


def test_settings_may_change_while_nothing_is_finished(tmp_path: Path) -> None:
    Journal(tmp_path).begin(SETTINGS)
    journal = Journal(tmp_path)
    journal.begin({**SETTINGS, "strength": 0.5})
    journal.finish(FIRST)
    with pytest.raises(OptionError, match=r"was begun with strength 0\.5, not 1\.0; "):
        Journal(tmp_path).begin(SETTINGS)


def test_forgetting(tmp_path: Path) -> None:
    journal = written(tmp_path)
    journal.forget()
    assert (journal.settings, journal.entries, journal.begun) == (None, {}, set())
    assert Journal(tmp_path).entries == {}


def test_a_journal_that_cannot_be_read(tmp_path: Path) -> None:
    journal = written(tmp_path)
    journal.path.write_bytes(b"\x00\xff\n" + journal.path.read_bytes())
    with pytest.raises(OutputError, match=r"journal\.jsonl: cannot be read; .*--overwrite"):
        Journal(tmp_path)


def test_links() -> None:
    first = link(None, "a 1 2")
    assert first == link(None, "a 1 2") != link(None, "a 1 3")
    assert link(first, "b 1 2") != link(None, "b 1 2")
    assert link(None, "a", "b") != link(None, "ab")


def test_identity_tells_files_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    before = identity(path)
    assert identity(path) == before
    os.utime(path, ns=(0, 5))
    assert identity(path) != before
    with pytest.raises(OSError):
        identity(tmp_path / "b.png")


def checkpoint(value: float) -> Checkpoint:
    state = {"source": np.full((2, 3, 3), value, np.float32), "result": np.ones((4, 6, 3)) / 3}
    return Checkpoint(np.full((2, 3, 3), 7, np.uint8), (state, {}, state))


def test_checkpoints_come_back(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "notes").save("abc", checkpoint(1.5))
    found = Checkpoints(tmp_path / "notes").load("abc")
    assert found is not None
    assert np.array_equal(found.thumbnail, checkpoint(1.5).thumbnail)
    assert len(found.states) == 3
    for state, wanted in zip(found.states, checkpoint(1.5).states, strict=True):
        assert state.keys() == wanted.keys()
        for name, array in wanted.items():
            assert state[name].dtype == array.dtype and np.array_equal(state[name], array)


def test_only_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        Checkpoints(tmp_path).save(f"link{number}", checkpoint(number))
    checkpoints = Checkpoints(tmp_path)
    assert [checkpoints.load(f"link{n}") is not None for n in range(5)] == [False] * 3 + [True] * 2
    (tmp_path / "state-x.part").write_bytes(b"half")
    checkpoints.remove()
    assert list(tmp_path.iterdir()) == []


def test_damaged_checkpoints_are_none(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save("abc", checkpoint(1))
    path = next(tmp_path.iterdir())
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert checkpoints.load("abc") is None
    assert checkpoints.load("other") is None
