"""The program as a whole: help, version, wrong usage, Ctrl-C, warnings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import vidstyle
from vidstyle.cli.main import main
from vidstyle.errors import Interrupted, OptionError, StyleError

Capture = pytest.CaptureFixture[str]


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return int(left.value.code or 0)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["--version"], ["styles"], ["styles", "--json"]]
)
def test_what_needs_no_torch_does_not_wait_for_it(arguments: list[str]) -> None:
    script = (
        "import atexit, sys\n"
        "heavy = {'torch', 'cv2', 'av'}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from vidstyle.cli.main import main\n"
        "main()"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n" and done.stdout


def test_version(capsys: Capture) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out == f"vidstyle {vidstyle.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--help"], ["run", "image", "evaluate", "styles", "train", "doctor", "--version"]),
        (["--help"], ["texture", "reconstruct", "features"]),
        (["image", "--help"], ["--engine", "--recipe", "--init", "--save-every", "--plot"]),
        (["texture", "--help"], ["--size", "--style-layers", "--seed", "--scales"]),
        (["reconstruct", "--help"], ["--content-layer", "--seed", "--max-side"]),
        (["features", "--help"], ["--layers", "--maps", "--side", "--grey"]),
        (["run", "--help"], ["--style", "--strength", "--temporal", "--cuts", "--overwrite"]),
        (["styles", "--help"], ["show", "preview"]),
        (["styles", "preview", "--help"], ["--output", "--columns"]),
        (["train", "--help"], ["--photos", "--full", "--from", "--vgg"]),
        (["doctor", "--help"], ["versions"]),
    ],
)
def test_help(arguments: list[str], expected: list[str], capsys: Capture) -> None:
    assert call(*arguments) == 0
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert all(word in shown for word in expected)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["run"],
        ["run", "a.mp4", "b.mp4", "--jobs", "0"],
        ["styles", "nosuch"],
        ["train"],
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], capsys: Capture) -> None:
    assert call(*arguments) == 2
    assert re.fullmatch(r"vidstyle: .+\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (StyleError("a\nb  c"), 1, "vidstyle: a b c\n"),
        (OptionError("wrong"), 2, "vidstyle: wrong\n"),
        (KeyboardInterrupt(), 130, "vidstyle: interrupted\n"),
        (Interrupted(None), 130, "vidstyle: interrupted\n"),
        (
            Interrupted(Path("a.partial.mp4")),
            130,
            "vidstyle: interrupted; what was finished is in a.partial.mp4\n",
        ),
    ],
)
def test_errors_become_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, error: BaseException, code: int, line: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("vidstyle.styles.available_styles", fail)
    assert call("styles") == code
    assert capsys.readouterr().err == line


def test_our_own_mistakes_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("vidstyle.styles.available_styles", fail)
    with pytest.raises(ZeroDivisionError):
        main(["styles"])


def test_a_damaged_style_of_the_user_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("VIDSTYLE_STYLES", str(tmp_path))
    (tmp_path / "bad.safetensors").write_text("hello")
    assert call("styles") == 0
    printed = capsys.readouterr()
    assert "scream" in printed.out
    assert re.fullmatch(r"vidstyle: note: .*bad\.safetensors: .*skipped\n", printed.err)
