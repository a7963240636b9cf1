"""The yardstick: the feed-forward network of Johnson, Alahi, Fei-Fei 2016 as people run it.

Architecture as in their supplement, with instance normalization (Ulyanov et al. 2016), reflection
padding and nearest-neighbour upsampling: 1.68 million parameters, random weights.

    python benchmarks/plain.py CLIP FRAMES [CRF PRESET]

is the plain job: fp32, one frame after another, decoded, drawn and encoded in sequence, without
sound. Prints seconds a frame of the three as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import av
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PaddedConv(nn.Module):
    """Reflection padding and a convolution."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(size // 2)
        self.conv = nn.Conv2d(inputs, outputs, size, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.pad(x))


class PlainBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = PaddedConv(channels, channels, 3)
        self.norm1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = PaddedConv(channels, channels, 3)
        self.norm2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(x)))
        return self.norm2(self.conv2(y)) + x


class PlainJohnson(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        down = [(3, 32, 9, 1), (32, 64, 3, 2), (64, 128, 3, 2)]
        self.down = nn.Sequential(*(layer for sizes in down for layer in self._layer(*sizes)))
        self.blocks = nn.Sequential(*(PlainBlock(128) for _ in range(5)))
        self.up1 = nn.Sequential(*self._layer(128, 64, 3))
        self.up2 = nn.Sequential(*self._layer(64, 32, 3))
        self.out = PaddedConv(32, 3, 9)

    @staticmethod
    def _layer(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
        norm = nn.InstanceNorm2d(outputs, affine=True)
        return [PaddedConv(inputs, outputs, size, stride), norm, nn.ReLU()]

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.down(x))
        x = self.up1(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = self.up2(F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.out(x)


@torch.inference_mode()
def job(source: str, target: Path, frames: int, crf: str, preset: str) -> dict[str, float]:
    """Medians of decoding and drawing; of encoding the mean, as encoders hold frames back."""
    network = PlainJohnson().eval()
    decoding, drawing, encoding = [], [], []
    with av.open(source) as reader, av.open(target, "w") as writer:
        video = reader.streams.video[0]
        stream = writer.add_stream("libx264", video.average_rate)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        stream.options = {"crf": crf, "preset": preset}
        network(torch.rand(1, 3, video.height, video.width))  # to warm up
        decoded = reader.decode(video)
        for _ in range(frames):
            began = time.perf_counter()
            image = next(decoded).to_ndarray(format="rgb24")
            read = time.perf_counter()
            photo = torch.from_numpy(image).permute(2, 0, 1)[None].float().div(255)
            painting = network(photo).mul(255).clamp(0, 255).byte()
            picture = painting[0].permute(1, 2, 0).contiguous().numpy()
            drawn = time.perf_counter()
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            decoding.append(read - began)
            drawing.append(drawn - read)
            encoding.append(time.perf_counter() - drawn)
        began = time.perf_counter()
        writer.mux(stream.encode())
        encoding[-1] += time.perf_counter() - began
    return {
        "decode": median(decoding),
        "inference": median(drawing),
        "encode": sum(encoding) / frames,
    }


if __name__ == "__main__":
    clip, count, *quality = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        times = job(clip, Path(folder) / "out.mp4", int(count), *(quality or ("18", "medium")))
    print(json.dumps(times))
