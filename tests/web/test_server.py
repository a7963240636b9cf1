"""What the server gives away, and what it does not."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from browsing import answer, clip, count_frames, free_port

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", ["/etc/passwd", __file__, "../../etc/passwd"])
def test_nobody_can_name_a_path_on_the_server(served: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{served}gradio_api/file={path}")
    assert refused.value.code in (403, 404)


def test_too_large_a_file_is_not_taken(served: str) -> None:
    import httpx

    content = {"files": ("large.mp4", b"x" * 5_000_000, "video/mp4")}
    answer = httpx.post(f"{served}gradio_api/upload", files=content)
    assert answer.status_code == 413


def test_a_program_paints_a_clip(served: str, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file
    from gradio_client.exceptions import AppError

    client = Client(served, verbose=False, download_files=str(tmp_path / "got"))
    source = handle_file(clip(tmp_path / "in.mp4", 8))
    painted = client.predict(source, "wave", quality="draft", end="0.2", api_name="/paint")
    assert Path(painted).name == "in.wave.mp4" and count_frames(Path(painted)) == 5
    for style in ("nosuch", "/etc/passwd"):
        with pytest.raises(AppError, match=f"unknown style '{style}'"):
            client.predict(source, style, api_name="/paint")


def test_who_does_not_know_the_password_sees_nothing() -> None:
    pytest.importorskip("gradio")
    port = free_port()
    command = [sys.executable, "-m", "vidstyle", "web", "--port", str(port), "--auth", "anna:k7"]
    server = subprocess.Popen(command)
    try:
        answer(url := f"http://127.0.0.1:{port}/")
        for path in ("config", "gradio_api/info", "gradio_api/openapi.json"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url + path)
            assert refused.value.code == 401
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(url + "vidstyle/live/x", data=b"x")
        assert refused.value.code == 404
    finally:
        server.terminate()
        server.wait(30)
