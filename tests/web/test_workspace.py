"""Temporary folders, and the names in them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from vidstyle.web.workspace import Workspace, safe_name


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    space = Workspace()
    yield space
    space.close()
    assert not space.root.exists()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("clip.mp4", "clip.mp4"),
        ("My clip (1).MOV", "My_clip_1.mov"),
        ("../../etc/passwd", "passwd"),
        ("-rf.mp4", "rf.mp4"),
        ("a;rm -rf $HOME`x`.mkv", "a_rm_-rf_HOME_x.mkv"),
        ("<img src=x>.png", "img_src_x.png"),
        ("…/\n", "upload"),
        ("日本.mp4", "日本.mp4"),
        ("x" * 300 + ".mp4", "x" * 60 + ".mp4"),
        ("a.b.c.tar.verylongsuffix", "a_b_c_tar.verylon"),
    ],
)
def test_names_of_uploads_are_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name) == safe == safe_name(safe)


def test_what_is_old_goes_and_what_is_in_use_stays(workspace: Workspace) -> None:
    old, used, fresh = (workspace.folder() for _ in range(3))
    hour_ago = time.time() - 3700
    for folder in (old, used, fresh):
        (folder / "clip.mp4").write_text("x")
        for path in (folder / "clip.mp4", folder):
            os.utime(path, (hour_ago, hour_ago))
    (fresh / "clip.mp4").write_text("changed")
    workspace.sweep({used})
    assert set(workspace.root.iterdir()) == {used, fresh}


def test_an_upload_outlives_its_first_folder(workspace: Workspace) -> None:
    upload = workspace.folder() / "my clip.mp4"
    upload.write_text("content")
    adopted = workspace.adopt(upload)
    upload.unlink()
    assert adopted.name == "my_clip.mp4" and adopted.read_text() == "content"
    assert oct(adopted.parent.stat().st_mode)[-3:] == "700"
