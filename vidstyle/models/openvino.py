"""The transfer network as a graph for OpenVINO, which fuses what torch computes one by one.

Pictures go in and come out as they lie in memory, uint8 H×W×3. The first convolution reads rows of
cells, each of as many pixels as its stride, so that nothing is rearranged for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from queue import Empty, SimpleQueue
from threading import Lock

import cv2
import numpy as np
import openvino as ov
import torch
from openvino import Node
from openvino import opset13 as op
from torch import Tensor

from vidstyle.models.transformer import ConditionalNorm, TransformerNet, gate, gated

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
        left, right, top, bottom = self._network.surround(height, width)
        padded = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REFLECT_101)
        return self._compiled_for(height, width, luma)(padded, self._gated(image, style))

    def _gated(self, image: np.ndarray, style: Tensor) -> np.ndarray:
        """1×V: the style as ``TransformerNet.forward`` applies it to a picture."""
        sample = torch.from_numpy(image[::4, ::4].copy()).permute(2, 0, 1)[None] / 255
        *drawn, gain, shift = style.float().split(self._network.architecture.style_splits())
        parts = gated(drawn, gate(sample)[0], self._network.architecture)
        return torch.cat([*parts, gain, shift])[None].numpy()

    def _compiled_for(
        self, height: int, width: int, luma: tuple[float, float, float] | None
    ) -> _Compiled:
        with self._compiling:
            key = height, width, luma
            compiled = self._compiled.pop(key, None)
            if compiled is None:
                graph = _Graph(self._network, height, width, luma)
                compiled = _Compiled(_core().compile_model(graph.model, "CPU", self._settings))
            self._compiled[key] = compiled
            while len(self._compiled) > _KEPT_SIZES:
                del self._compiled[next(iter(self._compiled))]
            return compiled


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

    def __call__(self, padded: np.ndarray, style: np.ndarray) -> np.ndarray:
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._model.create_infer_request()
        cells = padded.reshape(request.get_input_tensor(0).shape)
        request.infer([cells, style], share_inputs=True)
        drawn = request.get_output_tensor().data[0].copy()
        self._idle.put(request)
        return drawn


class _Graph:
    """``TransformerNet`` for one size of picture; inner layers are N×C×H×W, as there."""

    def __init__(
        self, network: TransformerNet, height: int, width: int, luma: Sequence[float] | None
    ) -> None:
        self.architecture = network.architecture
        self.weights = {name: w.float().numpy() for name, w in network.state_dict().items()}
        self.photo_outputs = network.photo_outputs
        if self.architecture.skip:
            self.grey_bias = network.conv_photo.grey_bias().detach().float().numpy()
        splits = self.architecture.style_splits()
        style = op.parameter([1, sum(splits)], ov.Type.f32, name="style")
        parts = op.variadic_split(style, _integers(1), _integers(splits))
        *drawn, gain, shift = (parts.output(index) for index in range(len(splits)))
        self.vectors: Iterator[Node] = (
            op.reshape(vector, _integers([1, -1, 1, 1]), False) for vector in drawn
        )
        left, right, top, bottom = network.surround(height, width)
        stride = self.architecture.stride
        rows, columns = height + top + bottom, (width + left + right) // stride
        pixels = op.parameter([1, rows, columns, 3 * stride], ov.Type.u8, name="pixels")
        drawing = _pixels(self._draw(pixels), self.architecture.margin, height, width)
        picture = op.reshape(pixels, _integers([1, rows, columns * stride, 3]), False)
        picture = op.convert(_part(picture, top, left, height, width), "f32")
        passing = op.add(op.multiply(picture, gain), op.multiply(shift, _constant(255)))
        result = op.clamp(op.add(op.multiply(drawing, _constant(255)), passing), 0, 255)
        if luma:
            change = op.multiply(op.subtract(result, picture), _constant(luma))
            change = op.reduce_sum(change, _integers([3]), True)
            result = op.clamp(op.add(picture, change), 0, 255)
        result = op.convert(op.round(result, "half_to_even"), "u8")
        self.model = ov.Model([result], [pixels, style], "vidstyle")

    def _draw(self, pixels: Node) -> Node:
        fine = [f"fine.{index}" for index in range(self.architecture.fine_blocks)]
        # A multiplication instead of a mere conversion: it is fused with the change of layout.
        cells = op.multiply(op.convert(pixels, "f32"), _constant(1 / 255))
        quarter = self._relu(self._conv_in(op.transpose(cells, _integers([0, 3, 1, 2]))))
        x = self._relu(self._conv(quarter, "conv_down", 2))
        for index in range(self.architecture.deep_blocks):
            x = self._block(_repeat_pad(x, 2), f"deep.{index}")
        x = op.add(_enlarge(self._conv(x, "conv_up")), _crop(quarter, 1))
        x = _repeat_pad(self._relu(x), 2 * len(fine) + 2)
        for name in fine:
            x = self._block(x, name)
        x = self._relu(self._conv(x, "conv_narrow"))
        seen = self._photo(cells) if self.architecture.skip else None
        if self.architecture.stride == 4:
            x = self._conv(_enlarge(x), "conv_half")
            if seen:
                x = op.add(x, _crop(seen[0], 2))
            x = self._relu(x)
        x = self._conv(x, "conv_out")
        if seen:
            border = 3 if self.architecture.stride == 4 else 1
            x = op.add(x, op.multiply(_crop(seen[1], border), next(self.vectors)))
        return x

    def _photo(self, cells: Node) -> list[Node]:
        """What the last two layers see of the photo."""
        _, rows, columns, _ = cells.get_output_partial_shape(0).to_shape()
        width = columns * self.architecture.stride
        pairs = op.reshape(cells, _integers([1, rows, width // 2, 6]), False)
        weight = _cell_weight(self.weights["conv_photo.weight"], 2)
        x = _convolution(op.transpose(pairs, _integers([0, 3, 1, 2])), weight, (2, 1))
        x = op.add(x, _constant(self.grey_bias.reshape(1, -1, 1, 1)))
        if not self.photo_outputs[0]:
            return [x, x]
        parts = op.variadic_split(x, _integers(1), _integers(list(self.photo_outputs)))
        return [parts.output(0), parts.output(1)]

    def _conv_in(self, cells: Node) -> Node:
        """On cells of several pixels, whose channels stand in the order pixel, colour."""
        stride = self.architecture.stride
        return _convolution(
            cells, _cell_weight(self.weights["conv_in.weight"], stride), (stride, 1)
        )

    def _conv(self, x: Node, name: str, stride: int = 1) -> Node:
        return _convolution(x, self.weights[f"{name}.weight"], (stride, stride))

    def _norm(self, x: Node) -> Node:
        normal = op.mvn(x, _integers([2, 3]), True, ConditionalNorm.eps, "INSIDE_SQRT")
        scale, shift = next(self.vectors), next(self.vectors)
        return op.add(op.multiply(normal, scale), shift)

    def _relu(self, x: Node) -> Node:
        """Normalized, and no less than zero."""
        return op.relu(self._norm(x))

    def _block(self, x: Node, name: str) -> Node:
        y = self._relu(self._conv(x, f"{name}.conv1"))
        y = self._norm(self._conv(y, f"{name}.conv2"))
        return op.add(y, _crop(x, 2))


def _cell_weight(weight: np.ndarray, stride: int) -> np.ndarray:
    """Of a convolution with a stride, for cells of that many pixels along a row."""
    outputs, colors, side, _ = weight.shape
    weight = weight.reshape(outputs, colors, side, side // stride, stride)
    return weight.transpose(0, 4, 1, 2, 3).reshape(outputs, -1, side, side // stride)


def _constant(values: float | Sequence[float] | np.ndarray) -> Node:
    return op.constant(np.ascontiguousarray(values, dtype=np.float32))


def _integers(values: int | Sequence[int]) -> Node:
    return op.constant(np.array(values, dtype=np.int64))


def _convolution(x: Node, weight: np.ndarray, strides: tuple[int, int]) -> Node:
    return op.convolution(x, _constant(weight), list(strides), [0, 0], [0, 0], [1, 1])


def _repeat_pad(x: Node, border: int) -> Node:
    borders = _integers([0, 0, border, border])
    return op.pad(x, borders, borders, "edge")


def _crop(x: Node, border: int) -> Node:
    ends = _integers([border, border]), _integers([-border, -border])
    return op.slice(x, *ends, _integers([1, 1]), _integers([2, 3]))


def _enlarge(x: Node) -> Node:
    return op.interpolate(
        x,
        _constant([2, 2]),
        "linear_onnx",
        "scales",
        coordinate_transformation_mode="half_pixel",
        axes=_integers([2, 3]),
    )


def _pixels(x: Node, margin: int, height: int, width: int) -> Node:
    """The part within the margin of what ``pixel_shuffle`` makes of N×12×h×w: N×H×W×3."""
    rows, columns = -(-height // 2), -(-width // 2)
    x = op.transpose(x, _integers([0, 2, 3, 1]))
    x = _part(x, margin // 2, margin // 2, rows, columns)
    x = op.reshape(x, _integers([rows, columns, 2, 6]), False)
    x = op.transpose(x, _integers([0, 2, 1, 3]))
    x = op.reshape(x, _integers([1, 2 * rows, 2 * columns, 3]), False)
    return _part(x, 0, 0, height, width)


def _part(x: Node, top: int, left: int, height: int, width: int) -> Node:
    """Of N×H×W×C."""
    ends = _integers([top, left]), _integers([top + height, left + width])
    return op.slice(x, *ends, _integers([1, 1]), _integers([1, 2]))
