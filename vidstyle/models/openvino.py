"""The transfer network by OpenVINO, which fuses what torch computes one by one.

It reads the ONNX graph of ``vidstyle.models.graph``, compiled for one size of picture at a time:
with sizes that are left open it takes a fifth longer.
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
"""Sizes of pictures whose graphs stay compiled, a third of a second's work each."""
_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16"}


class OpenVinoNetwork:
    """Draws single pictures as ``TransformerNet`` does, on the CPU. Threads may share it.

    Args:
        dtype: in which inner layers compute, float32 or bfloat16.
        at_once: pictures that threads draw at the same time, sharing the processor's cores.
    """

    def __init__(self, network: TransformerNet, dtype: torch.dtype, at_once: int = 1) -> None:
        self._network = network
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": min(at_once, torch.get_num_threads()),
            # Pinned threads would wait for their core while another stage has it.
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled: dict[object, _Compiled] = {}
        self._compiling = Lock()

    def __call__(
        self, image: np.ndarray, style: Tensor, luma: tuple[float, float, float] | None = None
    ) -> np.ndarray:
        """H×W×3 uint8 to the same.

        Args:
            style: V numbers.
            luma: weights of red, green and blue in luma: take no more than that from the drawing.
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
    """One for the process: the last of several to end would leave its thread a stack for signals
    that is none any more, and the next Ctrl-C would be a crash."""
    return ov.Core()


class _Compiled:
    """A graph that is ready to run, with a request for each thread that runs it."""

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
