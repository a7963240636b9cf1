"""``vidstyle web``: what it refuses, and what it costs other commands."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vidstyle.cli.main import main

Capture = pytest.CaptureFixture[str]


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["web", *arguments])
    return int(left.value.code or 0)


def test_without_gradio_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("vidstyle.cli.web.find_spec", lambda name: None)
    assert call() == 2
    assert capsys.readouterr().err == (
        "vidstyle: the web page needs Gradio: pip install 'vidstyle[web]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--auth", "anna"], "--auth: 'anna' with its password must be USER:PASSWORD"),
        (["--auth", ":secret"], "USER:PASSWORD"),
        (["--port", "0"], "--port must be from 1 to 65535"),
        (["--max-minutes", "0"], "--max-minutes must be more than 0"),
    ],
)
def test_values_that_make_no_sense_are_refused(
    arguments: list[str], words: str, capsys: Capture
) -> None:
    assert call(*arguments) == 2
    printed = capsys.readouterr().err
    assert words in printed and "secret" not in printed


def test_other_commands_do_not_wait_for_it() -> None:
    script = (
        "import sys, vidstyle.cli.run, vidstyle.cli.styles, vidstyle.cli.web\n"
        "print({'gradio', 'fastapi', 'torch', 'vidstyle.web'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
