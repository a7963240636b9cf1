"""What encoders are told of quality, speed and HDR."""

from __future__ import annotations

import cv2
from av.codec import Codec, CodecContext

from vidstyle.errors import OptionError
from vidstyle.frame import HdrInfo
from vidstyle.options import WriteOptions
from vidstyle.video.containers import WITHOUT_PTS
from vidstyle.video.hdr import static_metadata

_AVX512 = 256
"""OpenCV's number of it (CV_CPU_AVX512_SKX), which its Python module does not name."""
_PARAMETERS = {
    "libx264": "x264-params",
    "libx265": "x265-params",
    "libsvtav1": "svtav1-params",
}
_EFFORTS: dict[str, dict[str, dict[str, str]]] = {
    "libx264": {"draft": {"preset": "veryfast"}, "fine": {"preset": "slow"}},
    "libx265": {"draft": {"preset": "superfast"}, "fine": {"preset": "slow"}},
    "libsvtav1": {"draft": {"preset": "10"}, "fine": {"preset": "6"}},
    "libvpx-vp9": {"draft": {"cpu-used": "7"}, "fine": {"cpu-used": "2"}},
}
"""What each effort but standard changes."""
_QUANTIZER_3 = {"flags": "+qscale", "global_quality": str(3 * 118)}  # FFmpeg's FF_QP2LAMBDA
_DEFAULTS: dict[str, dict[str, str]] = {
    "libx264": {"crf": "18", "preset": "faster"},
    "libx265": {"crf": "20", "preset": "medium", "x265-params": "log-level=error"},
    "libsvtav1": {"crf": "28", "preset": "8"},
    "libvpx-vp9": {"crf": "28", "cpu-used": "4", "row-mt": "1"},
    "libvpx": {"crf": "10", "b": "8M", "cpu-used": "4"},
    "mpeg1video": _QUANTIZER_3,
    "mpeg2video": _QUANTIZER_3,
    "mpeg4": _QUANTIZER_3,
    "msmpeg4": _QUANTIZER_3,
    "wmv2": _QUANTIZER_3,
    "flv": _QUANTIZER_3,
    "mjpeg": _QUANTIZER_3,
}


def encoder_options(
    codec: Codec, container: str, wanted: WriteOptions, hdr: HdrInfo | None
) -> tuple[dict[str, str], list[str]]:
    """The options of an encoder, and notices of what it cannot be told.

    Args:
        container: FFmpeg's name of it.
        wanted: what the user asks for.
        hdr: the range to write, if it is high.

    Raises:
        OptionError: the encoder does not know a given option.
    """
    name = codec.name
    chosen = _DEFAULTS.get(name, {}) | _EFFORTS.get(name, {}).get(wanted.effort, {})
    if name == "libx264" and cv2.checkHardwareSupport(_AVX512):
        # Its AVX-512 code reads memory that nobody wrote, and no two files are the same.
        chosen["x264-params"] = "asm=AVX2"
    if container in WITHOUT_PTS and codec.delay:
        chosen["bf"] = "0"
    known = {option.name for option in CodecContext.create(codec).supported_options.private}
    for option, value in (("crf", wanted.crf), ("preset", wanted.preset)):
        if value is not None:
            if option not in known:
                raise OptionError(f"the encoder {name} has no {option}")
            chosen[option] = str(value)
    return chosen, _add_hdr_metadata(name, chosen, hdr) if hdr else []


def _add_hdr_metadata(name: str, options: dict[str, str], hdr: HdrInfo) -> list[str]:
    """Have the encoder store the metadata of the source's range; a notice where it cannot."""
    if parameters := _PARAMETERS.get(name):
        own = static_metadata(hdr, name)
        options[parameters] = ":".join(filter(None, (options.get(parameters), own)))
    elif hdr.mastering or hdr.light:
        return [f"mastering display and light levels left out by {name}"]
    return []
