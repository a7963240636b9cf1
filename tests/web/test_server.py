"""What the server gives away, and what it does not."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

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
