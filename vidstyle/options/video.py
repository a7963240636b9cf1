"""How video files are read and written."""

from dataclasses import dataclass
from typing import Literal

from vidstyle.errors import OptionError
from vidstyle.options.base import BASIC, INPUT, OUTPUT, SIZE, Options, option
from vidstyle.options.values import parse_time

BitDepth = Literal["auto", 8, 10]
Deinterlace = Literal["auto", "off"]
Hdr = Literal["sdr", "keep"]
Effort = Literal["draft", "standard", "fine"]


@dataclass(frozen=True)
class ReadOptions(Options):
    """Which part of a video to read, and how large. Times are seconds after its first frame."""

    start: float | None = option(
        None,
        "Start at this time, in seconds or hh:mm:ss.",
        panel=BASIC,
        metavar="TIME",
        min=0,
        unit="seconds",
        parse=parse_time,
    )
    end: float | None = option(
        None, "Stop before the first frame at or after this time.",
        panel=BASIC, metavar="TIME", min=0, unit="seconds", parse=parse_time,
    )  # fmt: skip
    max_side: int | None = option(
        None,
        "Scale down so that the longer side has at most this many pixels.",
        panel=BASIC,
        metavar="PIXELS",
        min=2,
        unit="pixels",
    )
    scale: float | None = option(
        None, "Scale by this factor, in place of --max-side.", panel=SIZE, metavar="FACTOR", above=0
    )
    strict: bool = option(
        False,
        "Fail when the input is damaged or truncated, instead of keeping what decodes.",
        panel=INPUT,
        results=False,
    )
    bit_depth: BitDepth = option(
        "auto",
        "Bits per channel to work in; auto reads more than 8 as floating point and writes 10.",
        panel=OUTPUT,
    )
    deinterlace: Deinterlace = option(
        "auto", "auto deinterlaces frames that are flagged as interlaced (bwdif).", panel=INPUT
    )

    def check(self) -> None:
        start = self.start or 0
        if self.end is not None and not self.end > start:
            raise OptionError(f"--end {self.end:g} s is not after --start {start:g} s")
        if self.max_side is not None and self.scale is not None:
            raise OptionError("give either max side or scale, not both")


@dataclass(frozen=True)
class WriteOptions(Options):
    """How to encode a video."""

    codec: str | None = option(
        None,
        "FFmpeg's name of a video encoder.",
        panel=OUTPUT,
        unset="H.264, HEVC for 10 bits, VP9 or AV1 in WebM",
    )
    crf: int | None = option(
        None,
        "Constant quality; lower is better and larger.",
        panel=OUTPUT,
        min=0,
        max=63,
        unset="18 for H.264",
    )
    preset: str | None = option(
        None, "The encoder's speed preset.", panel=OUTPUT, unset="chosen by --quality"
    )
    pix_fmt: str | None = option(
        None,
        "FFmpeg's name of a pixel format; keep takes the one closest to the input's.",
        panel=OUTPUT,
        unset="4:2:0 where possible",
    )
    audio: Literal["copy", "none"] = option(
        "copy", "Copy the audio streams, or leave them out.", panel=OUTPUT
    )
    overwrite: bool = option(False, "Replace existing output.", panel=BASIC, results=False)
    hdr: Hdr = option(
        "sdr",
        "PQ and HLG input: convert to BT.709, or keep HDR and write at least 10 bits.",
        panel=OUTPUT,
    )
    effort: Effort = option("standard", "How hard the encoder works for a small file.")
