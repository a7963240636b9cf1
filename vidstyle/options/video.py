"""How video files are read and written."""

from dataclasses import dataclass
from typing import Literal

import vidstyle.options.shared as shared
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

    start: float | None = BASIC.option(
        None,
        "Start at this time, in seconds or hh:mm:ss.",
        metavar="TIME",
        min=0,
        unit="seconds",
        parse=parse_time,
    )
    end: float | None = BASIC.option(
        None,
        "Stop before the first frame at or after this time.",
        metavar="TIME",
        min=0,
        unit="seconds",
        parse=parse_time,
    )
    max_side: int | None = shared.max_side()
    scale: float | None = SIZE.option(
        None, "Scale by this factor, in place of --max-side.", metavar="FACTOR", above=0
    )
    strict: bool = INPUT.option(
        False,
        "Fail when the input is damaged or truncated, instead of keeping what decodes.",
        results=False,
    )
    bit_depth: BitDepth = OUTPUT.option(
        "auto",
        "Bits per channel to work in; auto reads more than 8 as floating point and writes 10.",
    )
    deinterlace: Deinterlace = INPUT.option(
        "auto", "auto deinterlaces frames that are flagged as interlaced (bwdif)."
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

    codec: str | None = OUTPUT.option(
        None,
        "FFmpeg's name of a video encoder.",
        unset="H.264, HEVC for 10 bits, VP9 or AV1 in WebM",
    )
    crf: int | None = OUTPUT.option(
        None, "Constant quality; lower is better and larger.", min=0, max=63, unset="18 for H.264"
    )
    preset: str | None = OUTPUT.option(
        None, "The encoder's speed preset.", unset="chosen by --quality"
    )
    pix_fmt: str | None = OUTPUT.option(
        None,
        "FFmpeg's name of a pixel format; keep takes the one closest to the input's.",
        unset="4:2:0 where possible",
    )
    audio: Literal["copy", "none"] = OUTPUT.option(
        "copy", "Copy the audio streams, or leave them out."
    )
    overwrite: bool = shared.overwrite()
    hdr: Hdr = OUTPUT.option(
        "sdr", "PQ and HLG input: convert to BT.709, or keep HDR and write at least 10 bits."
    )
    effort: Effort = option("standard", "How hard the encoder works for a small file.")
