"""``vidstyle doctor``: what it says is so."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
import torch
from toys import write_toy

import vidstyle
from vidstyle.cli.main import main
from vidstyle.styles.registry import BUNDLED
from vidstyle.video.probe import encoder_opens


def test_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    opening = {"libx264", "ffv1"}
    monkeypatch.setattr("vidstyle.video.probe.encoder_opens", lambda name: name in opening)
    own = write_toy(tmp_path / "mine.safetensors")
    with pytest.raises(SystemExit) as left:
        main(["doctor"])
    assert not left.value.code
    printed = capfd.readouterr()
    assert printed.err == ""
    lines = [line.split(maxsplit=1) for line in printed.out.splitlines()]
    said = dict(lines)
    assert said["vidstyle"] == vidstyle.__version__
    assert said["torch"] == torch.__version__
    assert said["av"].startswith(av.__version__)
    assert re.search(r"\d threads.*GiB", said["cpu"])
    assert re.fullmatch(
        r"(cpu|cuda:\d|mps), (fp32|bf16|fp16|int8), (torch|openvino)", said["picked"]
    )
    assert said["encoders"] == "libx264, ffv1"
    absent = re.search(r"^not here +(.*)$", printed.out, re.MULTILINE)
    assert absent
    assert "h264_nvenc" in absent[1].split(", ")
    assert not {"libx264", "ffv1"} & {*absent[1].split(", ")}
    assert [where for name, where in lines if name == "styles"] == [str(BUNDLED), str(own)]
    assert str(tmp_path) in printed.out.split("your own")[1]


@pytest.mark.parametrize(("name", "opens"), [("libx264", True), ("ffv1", True), ("nosuch", False)])
def test_encoders_are_really_tried(name: str, opens: bool) -> None:
    assert encoder_opens(name) is opens


def test_an_encoder_that_fails_to_open_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise av.error.ExternalError(1, "no such hardware")

    monkeypatch.setattr("vidstyle.video.probe.CodecContext", SimpleNamespace(create=fail))
    assert not encoder_opens("libx264")
