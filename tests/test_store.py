"""Finished frames on disk: kept whole, found again, refused when they do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toys import toy_photo

from vidstyle.errors import OptionError, OutputError
from vidstyle.store import FrameCache, RecordLog, RunFolder

SETTINGS = {"style weight": 5.0, "cuts": "auto", "long term": (1, 2, 4)}


def folder(
    output: Path, settings: dict = SETTINGS, *, resume: bool = False, overwrite: bool = False
) -> FrameCache:
    return FrameCache(output, settings, resume=resume, overwrite=overwrite)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.mp4"


def test_pictures_come_back_as_they_were(output: Path) -> None:
    work = folder(output)
    assert not work.path.exists()
    work.save(2, 7, toy_photo())
    assert np.array_equal(work.load(2, 7), toy_photo())
    assert work.load(2, 8) is None
    assert work.load(1, 7) is None
    assert work.path == output.with_name(".out.mp4.work")
    work.remove()
    assert list(output.parent.iterdir()) == []


def test_a_picture_that_must_be_there(output: Path) -> None:
    work = folder(output)
    work.save(1, 0, toy_photo())
    assert np.array_equal(work.get(1, 0), toy_photo())
    with pytest.raises(OutputError, match=r"frame 3 is missing; run again with --resume"):
        work.get(1, 3)


def test_a_damaged_picture_is_none(output: Path) -> None:
    work = folder(output)
    work.save(1, 0, toy_photo())
    place = next(work.path.glob("1/*"))
    place.write_bytes(place.read_bytes()[:100])
    assert work.load(1, 0) is None
    place.write_bytes(b"")
    assert work.load(1, 0) is None


def test_an_earlier_run_is_not_passed_over(output: Path) -> None:
    folder(output).save(1, 0, toy_photo())
    with pytest.raises(OutputError, match=r"out\.mp4: an earlier run .*--resume.*--overwrite"):
        folder(output)
    assert folder(output, resume=True).load(1, 0) is not None
    assert folder(output, resume=True, overwrite=True).load(1, 0) is not None
    assert folder(output, overwrite=True).load(1, 0) is None
    assert not output.with_name(".out.mp4.work").exists()


def test_changed_settings_are_named(output: Path) -> None:
    folder(output).save(1, 0, toy_photo())
    with pytest.raises(OptionError, match=r"begun with style weight 5\.0, not 3\.0; .*--overwrite"):
        folder(output, {**SETTINGS, "style weight": 3.0}, resume=True)
    with pytest.raises(
        OptionError, match=r"cuts auto, not none; long term \[1, 2, 4\], not \[1\]; continue"
    ):
        folder(output, {**SETTINGS, "cuts": "none", "long term": (1,)}, resume=True)
    with pytest.raises(OptionError, match="color null, not luma"):
        folder(output, {**SETTINGS, "color": "luma"}, resume=True)


def test_runs_that_ended_at_once(output: Path) -> None:
    path = output.with_name(".out.mp4.work")
    (path / "1").mkdir(parents=True)
    (path / "settings.part").write_text("{")
    assert folder(output, resume=True).load(1, 0) is None
    folder(output, overwrite=True)
    assert not path.exists()


def test_a_folder_of_somebody_else_is_left_alone(output: Path) -> None:
    path = output.with_name(".out.mp4.work")
    path.mkdir()
    (path / "thesis.tex").write_text("precious")
    for options in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputError, match="not a work folder of vidstyle"):
            folder(output, **options)
    assert (path / "thesis.tex").read_text() == "precious"


def test_settings_that_cannot_be_read(output: Path) -> None:
    work = folder(output)
    work.save(1, 0, toy_photo())
    (work.path / "settings.json").write_text("{")
    with pytest.raises(OutputError, match=r"settings\.json: cannot be read"):
        folder(output, resume=True)


def test_settings_are_plain_json(output: Path) -> None:
    work = folder(output)
    work.save(1, 0, toy_photo())
    noted = json.loads((work.path / "settings.json").read_text())
    assert noted == {"style weight": 5.0, "cuts": "auto", "long term": [1, 2, 4]}


# ---- records ------------------------------------------------------------------------------


def test_records_come_back_but_for_half_a_line(tmp_path: Path) -> None:
    log = RecordLog(tmp_path / "done.jsonl")
    assert list(log) == []
    for number in range(3):
        log.append({"frames": number, "name": "ä"})
    with log.path.open("a") as file:
        file.write('{"frames": 3, "na')
    assert [record["frames"] for record in log] == [0, 1, 2]
    log.truncate(2)
    log.append({"frames": 9})
    assert [record["frames"] for record in log] == [0, 1, 9]


@pytest.mark.parametrize("line", ["[1]", "{", "null"])
def test_records_that_make_no_sense(tmp_path: Path, line: str) -> None:
    log = RecordLog(tmp_path / "done.jsonl")
    log.path.write_text(line + "\n")
    with pytest.raises(OutputError, match=r"done\.jsonl: cannot be read.*--overwrite"):
        list(log)


def test_records_are_removed_first(output: Path) -> None:
    """Else a run that is killed on the way leaves records of what is no longer there."""
    work = RunFolder(output, SETTINGS, resume=False, overwrite=False)
    work.begin()
    RecordLog(work.path / "done.jsonl").append({"frames": 1})
    blocked = work.path / "segment-1.mp4"
    blocked.mkdir()
    removed: list[str] = []

    class Stop(Exception):
        pass

    def stop(path: Path, *rest: object) -> None:
        removed.extend(p.name for p in work.path.iterdir())
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.rmtree", stop)
        with pytest.raises(Stop):
            work.remove()
    assert sorted(removed) == ["segment-1.mp4", "settings.json"]
