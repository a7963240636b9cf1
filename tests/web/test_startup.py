"""The import of Gradio without its stubs."""

from __future__ import annotations

import inspect

import pytest

from vidstyle.web.startup import no_stubs


def test_components_have_no_source_file_while_gradio_is_imported() -> None:
    gradio = pytest.importorskip("gradio")
    with no_stubs():
        with pytest.raises(OSError, match="stub"):
            inspect.getfile(gradio.Image)
        assert inspect.getfile(test_components_have_no_source_file_while_gradio_is_imported)
    assert inspect.getfile(gradio.Image).endswith("image.py")
