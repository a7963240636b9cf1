"""The tab for videos, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browsing import Visit, bring, clip, command, count_frames, download, wait_for_share

from vidstyle.cli.main import main

pytestmark = pytest.mark.slow


def test_a_clip_is_painted_as_by_the_command_line(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    source = clip(tmp_path / "My clip.mp4")
    bring(page, source)
    page.locator("#video-styles button").nth(1).click()
    page.get_by_label("Draft").check()
    page.get_by_label("End").fill("0.9")
    page.get_by_label("End").blur()
    page.wait_for_function(
        "box => /--style wave.*draft.*--end 0.9/.test(box.value)",
        arg=page.locator("#video-command textarea").element_handle(),
    )
    page.click("#video-start")
    page.wait_for_selector("#video-result video")

    painted = download(page, "#video-download", tmp_path)
    program, verb, _, *options = command(page)
    assert (program, verb) == ("vidstyle", "run")
    reference = tmp_path / "reference.mp4"
    with pytest.raises(SystemExit) as left:
        main([verb, str(source), *options, "-o", str(reference), "--progress", "none"])
    assert not left.value.code
    assert painted.read_bytes() == reference.read_bytes()

    page.evaluate("document.querySelector('#video-result video').play()")
    page.wait_for_function(
        """() => { const video = document.querySelector('#video-result video');
        return video.currentTime > 0.2 && video.webkitAudioDecodedByteCount > 0
            && video.webkitDecodedFrameCount > 0 }"""
    )
    assert page.locator("#video-pair img").count() == 2


def test_the_sample_is_painted_and_shown_to_its_last_frame(visit: Visit) -> None:
    page = visit()
    page.get_by_label("Draft").check()
    page.get_by_label("End").fill("0.3")
    page.get_by_label("End").blur()
    page.click("#video-start")
    for part in ("original", "result"):
        page.wait_for_function(
            "part => document.querySelector(`#video-${part} video`)?.readyState > 1", arg=part
        )
    before = page.locator("#video-pair img").last.get_attribute("src")
    page.locator("#video-done input[type=range]").press("End")
    page.wait_for_function(
        "src => document.querySelector('#video-pair img:last-of-type').src !== src", arg=before
    )


def test_what_is_finished_is_kept_when_it_is_cancelled(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    bring(page, clip(tmp_path / "long.mp4", 400, (640, 360)))
    page.click("#video-start")
    wait_for_share(page, 10)
    assert re.search(r"\d+ of 400 frames · [\d.]+ frames/s · .* left", page.inner_text(".vs-work"))
    page.click("#video-cancel")
    page.wait_for_selector("#video-result video")
    assert "Stopped" in page.inner_text("#video-done")
    assert 0 < count_frames(download(page, "#video-download", tmp_path)) < 400


def test_visitors_wait_for_one_another_and_a_reload_loses_nothing(
    visit: Visit, tmp_path: Path
) -> None:
    first, second = visit(), visit()
    bring(first, clip(tmp_path / "first.mp4", 200, (480, 270)))
    bring(second, clip(tmp_path / "second.mp4", 8))
    first.click("#video-start")
    first.wait_for_selector(".vs-work img")
    second.click("#video-start")
    second.get_by_text("Waiting: 1 job before yours").wait_for()
    first.reload()
    wait_for_share(first, 20)
    second.reload()
    first.click("#video-cancel")
    for page in (first, second):
        page.wait_for_selector("#video-result video")
    assert download(first, "#video-download", tmp_path).name == "first.scream.partial.mp4"
    assert download(second, "#video-download", tmp_path).name == "second.scream.mp4"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("hello"), "letter.mp4: "),
        (lambda path: clip(path, 2, (2048, 1024)), "pixels are too many"),
        (lambda path: path.write_bytes(bytes(5_000_000)), "exceed the maximum allowed size"),
    ],
)
def test_what_cannot_be_painted_is_refused_in_one_line(
    visit: Visit, tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    page = visit()
    make(path := tmp_path / "letter.mp4")
    page.set_input_files("#video-upload input[type=file]", path)
    page.get_by_text(words).first.wait_for()
    assert "vidstyle-web" not in page.inner_text("body")


def test_a_clip_that_is_too_long_can_be_cut(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    bring(page, clip(tmp_path / "long.mp4", 24 * 40, (32, 32)))
    page.click("#video-start")
    page.get_by_text("choose start and end").first.wait_for()
    page.get_by_label("End").fill("0.5")
    page.get_by_label("End").blur()
    page.click("#video-start")
    page.wait_for_selector("#video-result video")


def test_the_keyboard_is_enough(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.locator("#video-styles button").first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "box => box.value.includes('--style wave')",
        arg=page.locator("#video-command textarea").element_handle(),
    )
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.ariaLabel"))
    assert "video-start" in reached and "video-sample" in reached


def test_a_phone_shows_all_of_it(visit: Visit) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    parts = ["#video-preview", "#video-start", "#video-styles .gallery-item >> nth=1"]
    for part in parts:
        box = page.locator(part).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
