"""The tabs for pictures, cameras, paintings and evaluations, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from browsing import Visit, clip, command, download, huge_png
from toys import toy_photo

from vidstyle.cli.main import main
from vidstyle.image import read_image, write_image

pytestmark = pytest.mark.slow


def test_a_photo_is_painted_as_by_the_command_line(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    photo = write_image(tmp_path / "photo.png", toy_photo(200, 150))
    page.get_by_role("tab", name="Picture").click()
    page.wait_for_selector("#picture-styles button img")
    page.set_input_files("#picture-upload input[type=file]", photo)
    page.wait_for_function(
        "box => box.value.includes('photo.png')",
        arg=page.locator("#picture-command textarea").element_handle(),
    )
    page.locator("#picture-styles button").nth(1).click()
    page.wait_for_function(
        "box => box.value.includes('wave')",
        arg=page.locator("#picture-command textarea").element_handle(),
    )
    page.click("#picture-start")
    page.wait_for_selector("#picture-pair img")
    painted = download(page, "#picture-download", tmp_path)
    _, verb, _, *options = command(page, "#picture-command")
    with pytest.raises(SystemExit) as left:
        main([verb, str(photo), *options, "-o", str(tmp_path / "reference.png")])
    assert not left.value.code and painted.name == "photo.wave.png"
    assert (read_image(painted) == read_image(tmp_path / "reference.png")).all()


def test_an_optimization_shows_its_steps_and_stops(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.get_by_role("tab", name="Picture").click()
    page.wait_for_selector("#picture-styles button img")
    page.get_by_label("By optimization").check()
    page.click("#picture-start")
    page.wait_for_selector("#picture-working .vs-curve")
    page.wait_for_selector("#picture-working img")
    page.click("#picture-cancel")
    page.wait_for_selector("#picture-pair img")
    assert "Stopped after" in page.inner_text("#picture-done")
    image = read_image(download(page, "#picture-download", tmp_path))
    assert max(image.shape) == 480


def test_a_picture_of_200_megapixels_is_refused(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.get_by_role("tab", name="Picture").click()
    page.wait_for_selector("#picture-styles button img")
    page.set_input_files("#picture-upload input[type=file]", huge_png(tmp_path / "huge.png"))
    page.get_by_text("20000×10000").first.wait_for()


def test_the_camera_is_painted_while_the_style_changes(visit: Visit) -> None:
    page = visit(permissions=["camera"])
    page.get_by_role("tab", name="Webcam").click()
    page.wait_for_selector("#webcam-styles button img")
    page.click("#webcam-start")
    page.get_by_text("ms delay").wait_for()
    page.locator("#webcam-styles button").nth(1).click()
    page.wait_for_timeout(1500)
    assert "frames/s" in page.inner_text("#live-words")
    spread = page.evaluate(
        """() => { const canvas = document.getElementById('live-canvas');
        const { width, height } = canvas;
        const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
        return Math.max(...data.slice(0, 40000)) - Math.min(...data.slice(0, 40000)) }"""
    )
    assert spread > 50
    page.click("#webcam-stop")
    page.get_by_text("Stopped.").wait_for()


def test_two_videos_in_and_a_report_out(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    page.get_by_role("tab", name="Evaluate").click()
    for part in ("original", "stylized"):
        path = clip(tmp_path / f"{part}.mp4", 12)
        page.set_input_files(f"#evaluate-{part} input[type=file]", path)
        page.wait_for_selector(f"#evaluate-{part} video")
    page.click("#evaluate-start")
    page.wait_for_selector("#evaluate-plot img")
    report = page.inner_text("#evaluate-report")
    assert "stylized.mp4: 12 of 12 frames" in report and "warping error" in report


@pytest.mark.parametrize("count", [0, 3], ids=["without photos", "with photos"])
def test_a_painting_becomes_a_style_of_all_tabs(visit: Visit, tmp_path: Path, count: int) -> None:
    page = visit()
    page.get_by_role("tab", name="Your painting").click()
    photos = [write_image(tmp_path / f"{n}.jpg", toy_photo(300, 300, n)) for n in range(count)]
    painting = write_image(tmp_path / "painting.jpg", toy_photo(300, 300, 99))
    page.set_input_files("#painting-upload input[type=file]", painting)
    if photos:
        page.set_input_files("#painting-photos input[type=file]", photos)
        page.locator("#painting-photos").get_by_label("Clear", exact=True).wait_for()
    page.get_by_label("Name of the style").fill("scream")
    page.wait_for_timeout(500)
    page.click("#painting-start")
    page.get_by_text("there is a style 'scream' already").first.wait_for()
    page.get_by_label("Name of the style").fill(f"clouds{count}")
    page.wait_for_timeout(500)
    page.click("#painting-start")
    page.wait_for_selector("#painting-working img")
    page.click("#painting-cancel")
    page.click("#painting-keep")
    page.get_by_text(f"clouds{count} is kept").wait_for()
    page.get_by_role("tab", name="Video").click()
    page.locator("#video-styles").get_by_text(f"clouds{count}").wait_for()
