"""The transfer network as an ONNX graph, for other runtimes.

The graph is built node by node. Tracing by ``torch.onnx`` would fix the branches that the traced
picture takes in ``reflect_pad`` and ``ConditionalNorm``. Here sizes are computed in the graph, so
that pictures may have any size, and each picture of a batch has separate statistics. Needs the
package ``onnx``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from vidstyle.models.transformer import Architecture, ConditionalNorm, TransformerNet

OPSET = 13
"""The oldest with all operators for the types used here, which most programs can read."""

Precision = Literal["fp32", "fp16"]
Pixels = Literal["float", "uint8"]


def transfer_model(
    network: TransformerNet,
    vector: Tensor | None,
    precision: Precision = "fp32",
    pixels: Pixels = "float",
    luma: Sequence[float] | None = None,
) -> onnx.ModelProto:
    """A model that computes what ``network`` does, and clamps the result.

    Its input ``image`` and its output ``painting`` are RGB of any size: float32 N×3×H×W in [0, 1],
    or, with ``pixels="uint8"``, uint8 N×H×W×3.

    Args:
        vector: the style, V numbers; None makes it a second input, ``style``, float32 1×V.
        precision: number format of weights and drawing; the photo passes through in float32.
        luma: weights of red, green and blue in luma; if given, the photo keeps its chroma.
    """
    graph = Graph(np.dtype(np.float16 if precision == "fp16" else np.float32))
    kind, shape = _interface(pixels)
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    if vector is None:
        size = [1, network.style_size]
        inputs.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, size))
    style = _style(graph, network, vector)
    photo = _decoded(graph) if pixels == "uint8" else "image"
    painting = graph.clip(_restyled(graph, network, photo, style), 0, 1)
    if luma:
        painting = graph.clip(_luma_of(graph, photo, painting, luma), 0, 1)
    output = _coded(graph, painting) if pixels == "uint8" else painting
    graph.node("Identity", output, output="painting")
    outputs = [helper.make_tensor_value_info("painting", kind, shape)]
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(
        helper.make_graph(graph.nodes, "vidstyle", inputs, outputs, graph.constants),
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
        producer_name="vidstyle",
    )


def _interface(pixels: Pixels) -> tuple[int, list[str | int | None]]:
    """Element type and shape of input and output."""
    if pixels == "uint8":
        return TensorProto.UINT8, ["batch", "height", "width", 3]
    return TensorProto.FLOAT, ["batch", 3, "height", "width"]


class Graph:
    """The nodes and constants of a graph under construction; values are identified by name.

    Args:
        dtype: number format of the drawing, float32 or float16.
    """

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray, name: str = "") -> str:
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def integer(self, value: int) -> str:
        """A scalar, like ``number``."""
        return self.constant(np.array(value, np.int64))

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add an operator; returns the name of its only output."""
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def cast(self, x: str, dtype: type[np.generic] | np.dtype) -> str:
        return self.node("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def drawable(self, x: str) -> str:
        """Convert float32 to the drawing's number format."""
        return x if self.dtype == np.float32 else self.cast(x, self.dtype)

    def exact(self, x: str) -> str:
        """Convert the drawing's number format to float32."""
        return x if self.dtype == np.float32 else self.cast(x, np.float32)

    def clip(self, x: str, lowest: float, highest: float) -> str:
        return self.node("Clip", x, self.number(lowest), self.number(highest))

    def crop(self, x: str, border: int) -> str:
        begin, end = self.integers(border, border), self.integers(-border, -border)
        return self.node("Slice", x, begin, end, self.integers(2, 3))

    def repeat_pad(self, x: str, border: int) -> str:
        sides = self.integers(*[0, 0, border, border] * 2)
        return self.node("Pad", x, sides, mode="edge")

    def enlarge(self, x: str) -> str:
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node(
            "Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
        )


def _style(graph: Graph, network: TransformerNet, vector: Tensor | None) -> list[str]:
    """A style's parts in float32, in the order of ``Architecture.style_splits``; the gain of the
    photo is 3×1×1×1, the others are flat."""
    splits = network.architecture.style_splits()
    names = [f"style.{number}" for number in range(len(splits))]
    if vector is None:
        flat = graph.node("Reshape", "style", graph.integers(-1))
        graph.nodes.append(helper.make_node("Split", [flat, graph.integers(*splits)], names))
        names[-2] = graph.node("Reshape", names[-2], graph.integers(3, 1, 1, 1))
        return names
    parts = [part.numpy() for part in vector.float().split(splits)]
    parts[-2] = parts[-2].reshape(3, 1, 1, 1)
    return [graph.constant(part, name) for part, name in zip(parts, names, strict=True)]


def _decoded(graph: Graph) -> str:
    """Convert the uint8 input to colours in [0, 1], N×3×H×W."""
    colours = graph.node("Mul", graph.cast("image", np.float32), graph.number(1 / 255))
    return graph.node("Transpose", colours, perm=[0, 3, 1, 2])


def _coded(graph: Graph, painting: str) -> str:
    """Round colours to uint8, N×H×W×3."""
    scaled = graph.node("Mul", painting, graph.number(255))
    raised = graph.node("Add", scaled, graph.number(0.5))  # because a cast truncates
    whole = graph.cast(raised, np.uint8)
    return graph.node("Transpose", whole, perm=[0, 2, 3, 1])


def _luma_of(graph: Graph, photo: str, painting: str, luma: Sequence[float]) -> str:
    """The photo with the luma of the painting."""
    weights = graph.constant(np.array(luma, np.float32).reshape(1, 3, 1, 1))
    change = graph.node("Conv", graph.node("Sub", painting, photo), weights)
    return graph.node("Add", photo, change)


def _restyled(graph: Graph, network: TransformerNet, image: str, style: Sequence[str]) -> str:
    """``TransformerNet.forward``: float32 N×3×H×W to the same, not clamped."""
    *drawn, gain, shift = style
    margin = network.architecture.margin
    padded, sides = graph.drawable(image), graph.node("Shape", image)
    for axis in (2, 3):
        padded = _reflected(graph, padded, axis, sides, network.architecture)
    drawing = _drawn(graph, network, padded, iter(drawn))
    begin = graph.integers(margin, margin)
    end = graph.node("Slice", sides, graph.integers(2), graph.integers(4))
    end = graph.node("Add", end, begin)
    drawing = graph.node("Slice", drawing, begin, end, graph.integers(2, 3))
    # ``gated`` does the same to the style's parts.
    drawing = graph.node("Mul", graph.exact(drawing), _contrast_gate(graph, image))
    passing = graph.node("Conv", image, gain, shift, group=3)
    return graph.node("Add", drawing, passing)


def _reflected(graph: Graph, image: str, axis: int, sides: str, architecture: Architecture) -> str:
    """``TransformerNet.surround`` and ``reflect_pad`` along one axis of any length.

    ONNX's Pad reflects only once, which is not enough for pictures smaller than the border.
    """
    cell = 2 * architecture.stride
    around = architecture.margin + cell
    size = graph.node("Gather", sides, graph.integer(axis))
    missing = graph.node("Mod", graph.node("Neg", size), graph.integer(cell))
    least = graph.node("Sub", graph.integer(2 * cell), size)
    after = graph.node("Add", graph.node("Max", missing, least), graph.integer(around))
    double = graph.node("Add", size, size)
    period = graph.node("Max", graph.node("Sub", double, graph.integer(2)), graph.integer(1))

    def border(begin: str, end: str) -> str:
        """Gather by the indices that ``mirror_indices`` computes."""
        there = graph.node("Mod", graph.node("Range", begin, end, graph.integer(1)), period)
        indices = graph.node("Min", there, graph.node("Sub", period, there))
        return graph.node("Gather", image, indices, axis=axis)

    first = border(graph.integer(-around), graph.integer(0))
    last = border(size, graph.node("Add", size, after))
    return graph.node("Concat", first, image, last, axis=axis)


def _contrast_gate(graph: Graph, image: str) -> str:
    """``contrast_gate``: N×1×1×1."""
    spaced = graph.integers(4, 4)
    whole = graph.integers(0, 0), graph.integers(2**31 - 1, 2**31 - 1), graph.integers(2, 3)
    sample = graph.node("Slice", image, *whole, spaced)
    centred = graph.node("Sub", sample, graph.node("ReduceMean", sample, axes=[2, 3]))
    variance = graph.node("ReduceMean", graph.node("Mul", centred, centred), axes=[1, 2, 3])
    floor = graph.number((2 / 255) ** 2)
    return graph.node("Div", variance, graph.node("Add", variance, floor))


def _drawn(graph: Graph, network: TransformerNet, image: str, style: Iterator[str]) -> str:
    """Everything that ``TransformerNet`` draws, without the gate."""

    def conv(x: str, name: str) -> str:
        weight = network.get_parameter(f"{name}.weight").detach().numpy()
        kernel = graph.constant(weight.astype(graph.dtype), f"{name}.weight")
        strides = network.get_submodule(name).stride
        return graph.node("Conv", x, kernel, output=name, strides=strides)

    def norm(x: str) -> str:
        # In float32: a runtime may sum in the type it is given, and squares exceed float16.
        inputs = graph.exact(x), next(style), next(style)
        y = graph.node("InstanceNormalization", *inputs, epsilon=ConditionalNorm.eps)
        return graph.drawable(y)

    def relu(x: str) -> str:
        return graph.node("Relu", x)

    def block(x: str, name: str) -> str:
        y = relu(norm(conv(x, f"{name}.conv1")))
        y = norm(conv(y, f"{name}.conv2"))
        return graph.node("Add", y, graph.crop(x, 2))

    quarter = relu(norm(conv(image, "conv_in")))
    x = relu(norm(conv(quarter, "conv_down")))
    for number in range(len(network.deep)):
        x = block(graph.repeat_pad(x, 2), f"deep.{number}")
    x = graph.node("Add", graph.enlarge(conv(x, "conv_up")), graph.crop(quarter, 1))
    x = graph.repeat_pad(relu(norm(x)), 2 * len(network.fine) + 2)
    for number in range(len(network.fine)):
        x = block(x, f"fine.{number}")
    x = relu(norm(conv(x, "conv_narrow")))
    seen = _photo(graph, network, image) if network.architecture.skip else None
    if network.architecture.stride == 4:
        x = conv(graph.enlarge(x), "conv_half")
        if seen:
            x = graph.node("Add", x, graph.crop(seen[0], 2))
        x = relu(norm(x))
    x = conv(x, "conv_out")
    if seen:
        scale = graph.node("Reshape", next(style), graph.integers(1, -1, 1, 1))
        border = 3 if network.architecture.stride == 4 else 1
        part = graph.node("Mul", graph.crop(seen[-1], border), graph.drawable(scale))
        x = graph.node("Add", x, part)
    # Channels are in the order row, column, colour.
    return graph.node("DepthToSpace", x, blocksize=2, mode="DCR")


def _photo(graph: Graph, network: TransformerNet, image: str) -> list[str]:
    """What the last two layers see of the photo; at stride 2, only the last one does."""
    photo = network.conv_photo
    weight, bias = (
        part.detach().numpy().astype(graph.dtype) for part in (photo.weight, photo.grey_bias())
    )
    kernel = graph.constant(weight, "conv_photo.weight")
    seen = graph.node(
        "Conv", image, kernel, graph.constant(bias), output="conv_photo", strides=photo.stride
    )
    if not network.photo_outputs[0]:
        return [seen]
    names = ["conv_photo.half", "conv_photo.out"]
    sizes = graph.integers(*network.photo_outputs)
    graph.nodes.append(helper.make_node("Split", [seen, sizes], names, axis=1))
    return names
