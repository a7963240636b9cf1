"""The transfer network in OpenVINO, which fuses layers that torch computes one by one.

OpenVINO compiles the ONNX graph of ``vidstyle.models.graph`` for each size of picture, because a
graph for any size takes a fifth longer.
"""

from __future__ import annotations

from functools import cache
from queue import Empty, SimpleQueue
from threading import Lock

import numpy as np
import openvino as ov
import torch
from torch import Tensor

from vidstyle.models.graph import transfer_model
from vidstyle.models.transformer import TransformerNet

_KEPT_SIZES = 2
"""Number of picture sizes whose compiled graphs are cached; each takes a third of a second."""
_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16"}

# The first call fills OpenVINO's table of types. Two threads that make it at once wait for each
# other for ever, one for the table's lock and the other for Python's.
ov.Type.f32.to_dtype()


class OpenVinoNetwork:
    """Draws single pictures on the CPU like ``TransformerNet``; safe to share between threads.

    Args:
        dtype: number format of the inner layers, float32 or bfloat16.
        at_once: number of pictures that threads draw at the same time.
    """

    def __init__(self, network: TransformerNet, dtype: torch.dtype, at_once: int = 1) -> None:
        self._network = network
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": min(at_once, torch.get_num_threads()),
            # Pinned threads would wait for their core while another stage uses it.
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled: dict[object, _Compiled] = {}
        self._compiling = Lock()

    def __call__(
        self, image: np.ndarray, style: Tensor, luma: tuple[float, float, float] | None = None
    ) -> np.ndarray:
        """Draw a picture, H×W×3 uint8 to the same shape.

        Args:
            style: V numbers.
            luma: weights of red, green and blue in luma; if given, the photo keeps its chroma.
        """
        height, width = image.shape[:2]
        return self._compiled_for(height, width, luma)(image, style)

    def _compiled_for(
        self, height: int, width: int, luma: tuple[float, float, float] | None
    ) -> _Compiled:
        with self._compiling:
            key = height, width, luma
            compiled = self._compiled.pop(key, None)
            if compiled is None:
                compiled = _Compiled(self._compile(height, width, luma))
            self._compiled[key] = compiled
            while len(self._compiled) > _KEPT_SIZES:
                del self._compiled[next(iter(self._compiled))]
            return compiled

    def _compile(
        self, height: int, width: int, luma: tuple[float, float, float] | None
    ) -> ov.CompiledModel:
        graph = transfer_model(self._network, None, pixels="uint8", luma=luma)
        model = _core().read_model(graph.SerializeToString())
        model.reshape({"image": [1, height, width, 3]})
        return _core().compile_model(model, "CPU", self._settings)


@cache
def _core() -> ov.Core:
    """The core of this process. With several, the last one to be destroyed leaves its thread with a
    dangling signal stack, and the next Ctrl-C crashes."""
    return ov.Core()


class _Compiled:
    """A compiled graph, with one inference request per thread that runs it."""

    def __init__(self, model: ov.CompiledModel) -> None:
        self._model = model
        self._idle: SimpleQueue[ov.InferRequest] = SimpleQueue()

    def __call__(self, image: np.ndarray, style: Tensor) -> np.ndarray:
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._model.create_infer_request()
        request.infer([image[None], style.float()[None].numpy()], share_inputs=True)
        drawn = request.get_output_tensor().data[0].copy()
        self._idle.put(request)
        return drawn
