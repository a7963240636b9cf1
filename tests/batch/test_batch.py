"""Several files with one model: what becomes of each, and where it goes."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import Recipe, images, write_clip
from toys import toy_photo, toy_style, write_toy, write_vgg

import vidstyle
from vidstyle.batch import (
    BatchSummary,
    FastWork,
    FileProgress,
    OptimizeWork,
    Outcome,
    assign_devices,
    plan_tasks,
    run_batch,
    stylize_videos,
)
from vidstyle.batch.ledger import NAME
from vidstyle.batch.tasks import Event, Restyle
from vidstyle.batch.workers import _whole
from vidstyle.errors import DeviceError, Interrupted, OptionError, OutputError, StyleError
from vidstyle.pipeline.video import restyle_video, stylize_video
from vidstyle.styles import Paintings
from vidstyle.stylizers import FastOptions, FastStylizer, OptimizeOptions
from vidstyle.temporal.motion import TemporalOptions
from vidstyle.video import WriteOptions

FAST = FastOptions(device="cpu", precision="fp32")
LOSSLESS = WriteOptions(codec="ffv1", pix_fmt="bgr0")
QUICK = WriteOptions(preset="ultrafast")


def clip(folder: Path, name: str, frames: int = 6, size: tuple[int, int] = (64, 48)) -> Path:
    recipe = Recipe(ticks=tuple(range(frames)), size=size, image=lambda n, *s: toy_photo(*s, n))
    return write_clip(folder / name, recipe)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stylize(sources: list[Path], folder: Path | None = None, **more) -> BatchSummary:
    more = {"fast": FAST, "write": QUICK, **more}
    return stylize_videos(sources, folder, more.pop("style", toy_style()), **more)


def states(batch: BatchSummary) -> list[str]:
    return [outcome.state for outcome in batch.outcomes]


# -- one after the other --------------------------------------------------------------------


def test_a_file_that_fails_does_not_keep_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    sources = [clip(tmp_path, "a.mp4", 5), bad, tmp_path / "nosuch.mp4", clip(tmp_path, "b.mp4")]
    events: list[Event] = []
    batch = stylize(sources, tmp_path / "new" / "out", listener=events.append)
    assert states(batch) == ["done", "failed", "failed", "done"]
    assert [outcome.task.source for outcome in batch.outcomes] == sources
    assert names(tmp_path / "new" / "out") == [NAME, "a.toy.mp4", "b.toy.mp4"]
    assert len(images(tmp_path / "new" / "out" / "a.toy.mp4")) == 5
    assert batch.frames == 11
    assert [outcome.reason for outcome in batch.failed] == [
        f"{bad}: not a video file that FFmpeg knows (invalid data found when processing input)",
        f"{sources[2]}: no such file",
    ]
    assert [e for e in events if isinstance(e, Outcome)] == list(batch.outcomes)
    progress = [e for e in events if isinstance(e, FileProgress)]
    assert {e.task.source for e in progress} == {sources[0], sources[3]}
    assert progress[-1].progress.frames == 6


def test_what_is_our_own_mistake_is_named_and_costs_its_file_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(FastWork):
        def load(self, device: str) -> Restyle:
            restyle = super().load(device)

            def once(source, output, listener):
                if source.name == "a.mp4":
                    raise ZeroDivisionError("ours")
                return restyle(source, output, listener)

            return once

    sources = [clip(tmp_path, "a.mp4"), clip(tmp_path, "b.mp4")]
    work = Odd(toy_style(), FAST, write=QUICK)
    batch = run_batch(plan_tasks(sources, None, work.label), work)
    assert states(batch) == ["failed", "done"]
    assert batch.outcomes[0].reason == f"{sources[0]}: ZeroDivisionError: ours"
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.slow
def test_each_file_is_drawn_as_if_it_were_alone(tmp_path: Path) -> None:
    """Of any size, by whatever precision, and whatever came before."""
    sizes = {"wide.mp4": (160, 48), "small.mp4": (64, 48), "tall.mp4": (48, 96)}
    sources = [clip(tmp_path, name, 4, size) for name, size in sizes.items()]
    for precision in ("fp32", "auto"):
        folder, fast = tmp_path / precision, replace(FAST, precision=precision)
        batch = stylize(sources, folder, fast=fast, write=QUICK, temporal=TemporalOptions(0.5))
        assert states(batch) == ["done"] * 3
        for source in sources:
            alone = tmp_path / "alone.mp4"
            more = {"fast": fast, "temporal": TemporalOptions(0.5)}
            stylize_video(source, alone, toy_style(), write=replace(QUICK, overwrite=True), **more)
            together = images(folder / f"{source.stem}.toy.mp4")
            assert all(map(np.array_equal, together, images(alone)))


def test_a_large_file_leaves_nothing_behind(tmp_path: Path, monkeypatch) -> None:
    """Fewer at once, smaller tiles and notices are of the file that needed them."""
    monkeypatch.setattr("vidstyle.stylizers.fast.WHOLE_PIXELS", 160 * 96 // 4)
    stylizer = FastStylizer(toy_style(), replace(FAST, batch_size=4))
    big, small = clip(tmp_path, "big.mp4", 3, (160, 96)), clip(tmp_path, "small.mp4", 3, (64, 48))
    restyle_video(big, tmp_path / "1.mp4", stylizer, write=QUICK)
    assert stylizer.batch_size == 1
    stylizer.notices.append("memory ran out")
    stylizer.tile = 256
    summary = restyle_video(small, tmp_path / "2.mp4", stylizer, write=QUICK)
    assert (stylizer.batch_size, stylizer.tile, summary.warnings) == (4, None, ())


def test_a_style_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(StyleError, match="unknown style 'screem'"):
        stylize([clip(tmp_path, "a.mp4")], tmp_path / "out", style="screem")
    with pytest.raises(DeviceError):
        stylize([tmp_path / "a.mp4"], tmp_path, fast=replace(FAST, device="abacus"))
    with pytest.raises(OptionError, match="jobs"):
        stylize([tmp_path / "a.mp4"], jobs=0)
    assert names(tmp_path) == ["a.mp4"]


def test_no_files(tmp_path: Path) -> None:
    assert stylize([]).outcomes == ()


def test_by_optimization(tmp_path: Path) -> None:
    painting = toy_photo(50, 60, seed=2)
    layers = {"content_layers": (("relu2_2", 1.0),), "style_layers": (("relu1_1", 1.0),)}
    work = OptimizeWork(
        Paintings("monet", ((painting, 1.0),), (tmp_path / "monet.png",)),
        OptimizeOptions(iterations=2, device="cpu", precision="fp32", **layers),
        write=QUICK,
        vgg=write_vgg(tmp_path / "vgg.safetensors"),
        fast=str(write_toy(tmp_path / "toy.safetensors")),
        resume=True,
    )
    sources = [clip(tmp_path, "a.mp4", 2), tmp_path / "nosuch.mp4", clip(tmp_path, "b.mp4", 2)]
    tasks = plan_tasks(sources, tmp_path / "out", work.label)
    assert states(run_batch(tasks, work)) == ["done", "failed", "done"]
    assert len(images(tmp_path / "out" / "b.monet.mp4")) == 2
    again = run_batch(tasks, work)
    assert states(again) == ["done", "failed", "done"] and again.frames == 0


# -- where they go --------------------------------------------------------------------------


def test_places(tmp_path: Path) -> None:
    sources = [tmp_path / "a.mov", tmp_path / "in" / "b.mp4"]
    assert [task.output for task in plan_tasks(sources, None, "wave")] == [
        tmp_path / "a.wave.mp4",
        tmp_path / "in" / "b.wave.mp4",
    ]
    tasks = plan_tasks(sources, tmp_path / "out", "wave")
    assert [task.output.name for task in tasks] == ["a.wave.mp4", "b.wave.mp4"]
    assert (tmp_path / "out").is_dir()


def test_two_files_for_one_place_are_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "1" / "a.mp4", tmp_path / "2" / "a.mov"
    with pytest.raises(OptionError, match=rf"{first} and {second} would both become"):
        plan_tasks([first, second], tmp_path / "out", "wave")
    with pytest.raises(OptionError, match="would both become"):
        plan_tasks([first, tmp_path / "2" / ".." / "1" / "a.mp4"], None, "wave")
    assert len(plan_tasks([first, second], None, "wave")) == 2
    assert names(tmp_path) == []


def test_an_input_is_never_an_output(tmp_path: Path) -> None:
    source, clash = clip(tmp_path, "a.mp4"), clip(tmp_path, "a.toy.mp4")
    before = clash.read_bytes()
    for sources in ([source, clash], [clash, source]):
        with pytest.raises(OptionError, match=r"would become .*a\.toy\.mp4, which is an input"):
            stylize(sources, write=replace(QUICK, overwrite=True))
    assert clash.read_bytes() == before


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError, match="file"):
        plan_tasks([tmp_path / "a.mp4"], tmp_path / "file", "wave")


# -- going on -------------------------------------------------------------------------------


def test_an_output_that_is_there_is_a_failure_of_its_file(tmp_path: Path) -> None:
    sources = [clip(tmp_path, "a.mp4"), clip(tmp_path, "b.mp4")]
    there = tmp_path / "a.toy.mp4"
    there.write_text("precious")
    for resume in (False, True):
        batch = stylize(sources, resume=resume)
        assert states(batch)[0] == "failed"
        assert "a.toy.mp4: exists already" in batch.outcomes[0].reason
        assert there.read_text() == "precious"
    batch = stylize(sources, write=replace(QUICK, overwrite=True))
    assert states(batch) == ["done", "done"]
    assert len(images(there)) == 6


@pytest.mark.slow
def test_ctrl_c_ends_the_batch_and_resume_goes_on(tmp_path: Path) -> None:
    sources = [clip(tmp_path, f"{name}.mp4", 60) for name in "abc"]
    events: list[Event] = []

    def interrupt(event: Event) -> None:
        events.append(event)
        late = isinstance(event, FileProgress) and event.progress.frames > 40
        if late and event.task.source.name == "b.mp4":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        stylize(sources, tmp_path / "out", listener=interrupt)
    partial = tmp_path / "out" / "b.toy.partial.mp4"
    assert caught.value.partial == partial and caught.value.advice == "continue with --resume"
    ends = [event for event in events if isinstance(event, Outcome)]
    assert [(end.state, end.partial) for end in ends] == [("done", None), ("interrupted", partial)]
    assert not (tmp_path / "out" / "c.toy.mp4").exists()
    first = (tmp_path / "out" / "a.toy.mp4").stat()

    batch = stylize(sources, tmp_path / "out", resume=True)
    assert states(batch) == ["done"] * 3
    summaries = [outcome.summary for outcome in batch.outcomes]
    assert [summary.skipped for summary in summaries if summary] == [60, 24, 0]
    assert batch.frames == 36 + 60
    assert (tmp_path / "out" / "a.toy.mp4").stat() == first
    assert names(tmp_path / "out") == ["a.toy.mp4", "b.toy.mp4", "c.toy.mp4"]


@pytest.mark.parametrize("change", ["settings", "style", "input", "output", "ledger"])
def test_files_that_are_done_are_known_by_all_that_they_depend_on(
    tmp_path: Path, change: str
) -> None:
    source, missing = clip(tmp_path, "a.mp4"), tmp_path / "nosuch.mp4"
    style = str(write_toy(tmp_path / "toy.safetensors"))
    output, ledger = tmp_path / "a.alpha.mp4", tmp_path / NAME
    more = {"style": style, "resume": True}
    assert states(stylize([source, missing], **more)) == ["done", "failed"]
    assert json.loads(ledger.read_text())["output"] == output.name
    again = stylize([source, missing], **more)
    assert states(again) == ["done", "failed"] and again.frames == 0
    assert states(stylize([source, missing], style=style)) == ["failed", "failed"]
    if change == "settings":
        more["fast"] = replace(FAST, strength=0.5)
    elif change == "style":
        write_toy(Path(style), seed=1)
    elif change == "input":
        os.utime(source, (1, 1))
    elif change == "output":
        output.write_bytes(output.read_bytes()[:-1])
    else:
        ledger.write_text(
            "{}\n[]\n" + ledger.read_text()[:-20] + "\n" + '{"output": "a.alpha.mp4"}'
        )
    batch = stylize([source, missing], **more)
    assert states(batch) == ["failed", "failed"]
    assert "exists already" in batch.outcomes[0].reason


def test_files_that_were_lossy_stay_so(tmp_path: Path) -> None:
    source, missing = clip(tmp_path, "a.mp4", 96), tmp_path / "nosuch.mp4"
    cut = write_clip(tmp_path / "cut.mkv", Recipe(ticks=tuple(range(96)), options={"g": "12"}))
    os.truncate(cut, cut.stat().st_size * 6 // 10)
    source.unlink()
    for _ in range(2):
        batch = stylize([cut, missing], resume=True)
        assert batch.outcomes[0].summary and batch.outcomes[0].summary.lost


# -- several at once ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "jobs", "gpus", "expected"),
    [
        ("auto", 3, 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", 2, 4, ["cuda:0", "cuda:1"]),
        ("auto", 2, 1, ["cuda:0", "cuda:0"]),
        ("auto", 2, 0, ["auto", "auto"]),
        ("cuda", 2, 0, ["cuda", "cuda"]),
        ("cuda:1", 2, 4, ["cuda:1", "cuda:1"]),
        ("cpu", 2, 4, ["cpu", "cpu"]),
        ("mps", 1, 0, ["mps"]),
    ],
)
def test_devices(asked: str, jobs: int, gpus: int, expected: list[str]) -> None:
    assert assign_devices(asked, jobs, gpus) == expected


class Fatal(FastWork):
    """One file takes its process with it."""

    def load(self, device: str) -> Restyle:
        restyle = super().load(device)

        def unless_fatal(source, output, listener):
            if source.name == "fatal.mp4":
                os._exit(7)
            return restyle(source, output, listener)

        return unless_fatal


@pytest.mark.slow
def test_two_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One of them fails, and one takes its process with it, which is made anew."""
    caplog.set_level(logging.INFO, "vidstyle")
    sources = [clip(tmp_path, f"{name}.mp4") for name in ("fatal", "a", "b", "c")]
    sources.insert(1, tmp_path / "nosuch.mp4")
    style = write_toy(tmp_path / "toy.safetensors")
    work = Fatal(str(style), FAST, write=LOSSLESS)
    tasks = plan_tasks(sources, tmp_path / "out", work.label)
    tasks = tuple(replace(task, output=task.output.with_suffix(".mkv")) for task in tasks)
    events: list[Event] = []
    batch = run_batch(tasks, work, jobs=2, listener=events.append)
    assert states(batch) == ["failed", "failed", "done", "done", "done"]
    assert [outcome.reason for outcome in batch.failed] == [
        f"{sources[0]}: its process ended (code 7)",
        f"{sources[1]}: no such file",
    ]
    assert batch.frames == 18
    messages = [record.getMessage() for record in caplog.records]
    loaded = sum("style alpha at 1, standard, on cpu" in message for message in messages)
    assert loaded in (2, 3)  # one of the processes may come too late for any file
    assert any(record.exc_text and "no such file" in record.exc_text for record in caplog.records)
    assert {e.task.source.name for e in events if isinstance(e, FileProgress)} == {
        "a.mp4",
        "b.mp4",
        "c.mp4",
    }
    alone = tmp_path / "alone.mkv"
    stylize_video(sources[2], alone, style, fast=FAST, write=LOSSLESS)
    together = images(tmp_path / "out" / "a.alpha.mkv")
    assert all(map(np.array_equal, together, images(alone)))


def test_ctrl_c_does_not_cut_messages() -> None:
    ended = False
    with pytest.raises(KeyboardInterrupt), _whole():
        signal.raise_signal(signal.SIGINT)
        ended = True
    assert ended
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_ctrl_c_with_two_at_once(tmp_path: Path) -> None:
    sources = [clip(tmp_path, f"{name}.mp4", 240) for name in "abc"]
    style = write_toy(tmp_path / "toy.safetensors")
    ends: list[Outcome] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Outcome):
            ends.append(event)
        elif event.progress.frames > 60:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        stylize(sources, tmp_path, style=style, jobs=2, listener=interrupt)
    assert {end.state for end in ends} == {"interrupted"} and 1 <= len(ends) <= 2
    assert caught.value.partial in {end.partial for end in ends}
    assert 24 <= len(images(caught.value.partial)) < 240
    assert not (tmp_path / "c.alpha.mp4").exists()
    assert not multiprocessing.active_children()


def test_public_names() -> None:
    assert vidstyle.stylize_videos is stylize_videos and vidstyle.Outcome is Outcome
