"""High dynamic range as a picture of BT.709 to paint on, and back.

Networks and flow have learned from pictures of standard range. So PQ and HLG (ITU-R BT.2100) are
seen through a fixed view, the same for every frame:

1. light: the inverse of the transfer function, for HLG with its OOTF at 1000 nits (γ = 1.2), in
   units of the reference white of 203 nits (BT.2408);
2. primaries: linearly to BT.709, where colours outside of its gamut have negative parts;
3. gamut: with M the largest of red, green and blue, each distance d = 1 − c/M above 0.85 becomes
   0.85 + o / (1 + o/s), o = d − 0.85, with s such that the gamut's farthest colour comes to 1;
4. tone: M below the knee of 0.5 stays; above, t = (M − 0.5)/0.5 becomes t (1 + t/T²) / (1 + t)
   (Reinhard et al. 2002, eq. 4), which is steady in its slope and ends in white at the peak, T;
5. display: the inverse of BT.1886, L^(1/2.4), from 0 to 255.

Tone goes by the largest part and not by luminance, so that no part is clipped and hues stay. Each
step can be undone; what is above the peak alone, as light of BT.709, is lost. The peak is the
mastering display's, 1000 nits when that is unknown, and no less than twice the reference white.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

from vidstyle.frame import ColorTags, HdrInfo, Mastering
from vidstyle.video.color import BT709, BT2020, LIMITED
from vidstyle.video.side_data import side_data

PQ, HLG = 16, 18
"""Transfer functions, by their codes in ITU-T H.273."""
VIEW_TAGS = ColorTags(LIMITED, BT709, BT709, BT709)
"""What a view is written as."""

WHITE = 203.0
"""Reference white in nits (BT.2408)."""
PQ_LIMIT = 10_000.0
"""The brightest that PQ can say, in nits."""
HLG_PEAK = 1000.0
"""Nits of the display that HLG is viewed on here."""
HLG_GAMMA = 1.2
"""The system gamma at that peak."""
KNEE = 0.5
"""Share of reference white up to which light stays as it is."""
FREE = 0.85
"""Distance from grey up to which colours stay."""
DISPLAY_GAMMA = 2.4
"""The display gamma of BT.1886."""

_STEPS = 65535
_BAND = 16
"""Rows at a time."""
_PRIMARIES = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Chromaticities of red, green and blue, with white D65: also Display P3."""
_D65 = (0.3127, 0.3290)


def hdr_info(frame: VideoFrame, tags: ColorTags) -> HdrInfo | None:
    """What a decoded frame with these tags says of its range; None where that is standard."""
    if tags.color_trc not in (PQ, HLG):
        return None
    mastering = side_data(frame, SideDataType.MASTERING_DISPLAY_METADATA)
    light = side_data(frame, SideDataType.CONTENT_LIGHT_LEVEL)
    return HdrInfo(
        tags,
        _mastering(mastering) if mastering else None,
        struct.unpack("=2I", light) if light else None,
    )


def _mastering(data: bytes) -> Mastering | None:
    """Parse FFmpeg's AVMasteringDisplayMetadata: ten fractions, and which of them are known."""
    numbers = struct.unpack("=22i", data)
    if not all(numbers[20:]) or not all(numbers[1:20:2]):
        return None
    values = [over / under for over, under in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
    return Mastering(tuple(values[:8]), values[8], values[9])


def hdr_name(info: HdrInfo) -> str:
    """``PQ`` or ``HLG``."""
    return "PQ" if info.color.color_trc == PQ else "HLG"


def sdr_notice(info: HdrInfo) -> str:
    """What to say when the view is written."""
    return f"HDR ({hdr_name(info)}) written as SDR, BT.709"


class SdrView:
    """Pictures of high dynamic range as they are painted on, and back again.

    Both ways, pictures are H×W×3 float32 from 0 to 255: R'G'B' as the file codes it, and as a
    display of BT.709 shows it.
    """

    def __init__(self, info: HdrInfo) -> None:
        self._pq = info.color.color_trc == PQ
        self._shoulder = _Shoulder(peak_of(info) / WHITE)
        primaries = _PRIMARIES.get(info.color.color_primaries, _PRIMARIES[BT2020])
        own, display = _to_xyz(primaries), _to_xyz(_PRIMARIES[BT709])
        self._luminance = own[1:2].astype(np.float32)
        self._to_display = np.linalg.inv(display) @ own
        self._from_display = np.linalg.inv(self._to_display).astype(np.float32)
        self._gamut = _Gamut(self._to_display)
        self._to_display = self._to_display.astype(np.float32)
        steps = np.arange(_STEPS + 1) / _STEPS
        if self._pq:
            self._brightest = PQ_LIMIT / WHITE
            self._light = (pq_to_nits(steps) / WHITE).astype(np.float32)
            code = nits_to_pq(steps**4 * PQ_LIMIT)
        else:
            self._brightest = 1.0
            self._light = hlg_to_scene(steps).astype(np.float32)
            code = scene_to_hlg(steps**4)
        self._code = (255 * code).astype(np.float32)

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """The view of a picture as it is coded."""
        return _by_bands(self._seen, signal)

    def invert(self, view: np.ndarray) -> np.ndarray:
        """A picture as it is to be coded, of its view, which may be uint8."""
        return _by_bands(self._coded, view)

    def _seen(self, signal: np.ndarray) -> np.ndarray:
        light = cv2.LUT(_steps(signal, 255), self._light)
        gain = None if self._pq else self._ootf(light)
        light = cv2.transform(light, self._to_display)
        largest = _largest(light)
        shares = self._gamut.compress(light, largest)
        largest = largest if gain is None else largest * gain
        toned = self._shoulder(largest)
        shown = cv2.merge([toned * share for share in shares])
        np.maximum(shown, 0, out=shown)
        return 255 * shown ** np.float32(1 / DISPLAY_GAMMA)

    def _coded(self, view: np.ndarray) -> np.ndarray:
        shown = (view.astype(np.float32) * np.float32(1 / 255)) ** np.float32(DISPLAY_GAMMA)
        toned = _largest(shown)
        shares = self._gamut.expand(shown, toned)
        largest = self._shoulder.invert(toned)
        light = cv2.merge([largest * share for share in shares])
        light = np.maximum(cv2.transform(light, self._from_display), 0)
        if not self._pq:
            light /= self._inverse_ootf(light)[:, :, None]
        root = cv2.sqrt(cv2.sqrt(light * np.float32(1 / self._brightest)))
        return cv2.LUT(_steps(root, 1), self._code)

    def _ootf(self, scene: np.ndarray) -> np.ndarray:
        """What HLG's display multiplies the scene's light by: H×W."""
        luminance = cv2.transform(scene, self._luminance)
        return np.float32(HLG_PEAK / WHITE) * cv2.pow(luminance, HLG_GAMMA - 1)

    def _inverse_ootf(self, light: np.ndarray) -> np.ndarray:
        """The same of the display's light; never 0."""
        luminance = cv2.transform(light, self._luminance) * np.float32(WHITE / HLG_PEAK)
        scene = cv2.pow(np.maximum(luminance, 1e-9), (HLG_GAMMA - 1) / HLG_GAMMA)
        return np.float32(HLG_PEAK / WHITE) * scene


class _Shoulder:
    """The tone curve, of light in units of white up to a peak."""

    def __init__(self, peak: float) -> None:
        self._rest = np.float32(1 - KNEE)
        self._square = np.float32(((peak - KNEE) / (1 - KNEE)) ** 2)

    def __call__(self, light: np.ndarray) -> np.ndarray:
        above = np.maximum(light - np.float32(KNEE), 0) / self._rest
        above = above * (1 + above / self._square) / (1 + above)
        return np.minimum(np.minimum(light, KNEE) + self._rest * above, 1)

    def invert(self, toned: np.ndarray) -> np.ndarray:
        above = np.maximum(toned - np.float32(KNEE), 0) / self._rest
        lack = 1 - np.minimum(above, 1)
        # Of the two forms of the root, the one that does not cancel.
        root = cv2.sqrt(lack * lack + above * (4 / self._square))
        return np.minimum(toned, KNEE) + self._rest * 2 * above / (lack + root)


class _Gamut:
    """Brings colours with negative parts into the gamut, by their distances from grey.

    Args:
        matrix: from the colours' own primaries to the gamut's.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        # The purest colours: one part is 1, another 0. Between the corners lie some farther ones.
        parts = np.array(np.meshgrid(*[np.linspace(0, 1, 129)] * 3)).reshape(3, -1)
        pure = parts[:, (parts.max(axis=0) == 1) & (parts.min(axis=0) == 0)]
        outer = matrix @ pure
        farthest = (1 - outer / outer.max(axis=0)).max(axis=1)
        self._softness = [
            np.float32((far - FREE) * (1 - FREE) / (far - 1)) if far > 1.001 else None
            for far in farthest
        ]

    def compress(self, light: np.ndarray, largest: np.ndarray) -> list[np.ndarray]:
        """Each part's share of the largest, three times H×W from 0 to 1."""
        return [
            share if softness is None else 1 - _compressed(1 - share, softness)
            for share, softness in zip(_shares(light, largest), self._softness, strict=True)
        ]

    def expand(self, shown: np.ndarray, largest: np.ndarray) -> list[np.ndarray]:
        """The shares that were compressed to these, below 0 outside of the gamut."""
        return [
            share if softness is None else 1 - _expanded(1 - share, softness)
            for share, softness in zip(_shares(shown, largest), self._softness, strict=True)
        ]


def _compressed(distance: np.ndarray, softness: np.float32) -> np.ndarray:
    over = np.maximum(distance - np.float32(FREE), 0)
    return np.minimum(distance, FREE) + over / (1 + over / softness)


def _expanded(distance: np.ndarray, softness: np.float32) -> np.ndarray:
    over = np.maximum(distance - np.float32(FREE), 0)
    return np.minimum(distance, FREE) + over / (1 - over / softness)


def _by_bands(function: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """A function of pixels, some rows at a time: all that comes between stays in the caches."""
    result = np.empty(image.shape, np.float32)
    for top in range(0, len(image), _BAND):
        result[top : top + _BAND] = function(image[top : top + _BAND])
    return result


def _shares(light: np.ndarray, largest: np.ndarray) -> list[np.ndarray]:
    scale = 1 / np.maximum(largest, 1e-9)
    return [plane * scale for plane in cv2.split(light)]


def _largest(light: np.ndarray) -> np.ndarray:
    red, green, blue = cv2.split(light)
    return cv2.max(cv2.max(red, green), blue)


def _steps(values: np.ndarray, most: float) -> np.ndarray:
    """Values from 0 to ``most`` as indices into a table."""
    return cv2.addWeighted(values, _STEPS / most, values, 0, 0, dtype=cv2.CV_16U)


def peak_of(info: HdrInfo) -> float:
    """The light in nits that a view shows as white."""
    if info.color.color_trc == HLG:
        return HLG_PEAK
    peak = info.mastering.brightest if info.mastering else HLG_PEAK
    return min(max(peak, 2 * WHITE), PQ_LIMIT)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """The matrix from linear RGB to XYZ, by chromaticities (SMPTE RP 177)."""
    xyz = np.array([(x / y, 1, (1 - x - y) / y) for x, y in (*primaries, _D65)]).T
    return xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])


def static_metadata(info: HdrInfo, codec: str) -> str:
    """Mastering display and light levels as parameters of x265, x264 or SVT-AV1; may be empty."""
    x264, av1 = codec == "libx264", codec == "libsvtav1"
    parts = []
    if codec == "libx265" and info.color.color_trc == PQ:
        parts.append("hdr10-opt=1")
    if codec == "libx265" and (info.mastering or info.light):
        parts.append("repeat-headers=1")
    if info.mastering:
        unit, nits = (1, 1) if av1 else (50_000, 10_000)
        numbers = [number * unit for number in info.mastering.chromaticities]
        numbers += [info.mastering.brightest * nits, info.mastering.darkest * nits]
        texts = [f"{number:.4f}" if av1 else str(round(number)) for number in numbers]
        red, green, blue, white, light = (",".join(texts[i : i + 2]) for i in range(0, 10, 2))
        name = "mastering-display" if av1 or x264 else "master-display"
        parts.append(f"{name}=G({green})B({blue})R({red})WP({white})L({light})")
    if info.light:
        name = "content-light" if av1 else "cll" if x264 else "max-cll"
        parts.append(f"{name}={info.light[0]},{info.light[1]}")
    return ":".join(parts)


# ---- transfer functions (ITU-R BT.2100), float64 ------------------------------------------


def pq_to_nits(signal: np.ndarray) -> np.ndarray:
    """PQ's EOTF (SMPTE ST 2084): signal from 0 to 1."""
    power = signal ** (32 / 2523)
    over = np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)
    return PQ_LIMIT * over ** (8192 / 1305)


def nits_to_pq(nits: np.ndarray) -> np.ndarray:
    power = (nits / PQ_LIMIT) ** (1305 / 8192)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


_A = 0.17883277
_B = 1 - 4 * _A
_C = 0.5 - _A * np.log(4 * _A)


def hlg_to_scene(signal: np.ndarray) -> np.ndarray:
    """The inverse of HLG's OETF: both from 0 to 1."""
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)


def scene_to_hlg(light: np.ndarray) -> np.ndarray:
    bright = _A * np.log(np.maximum(12 * light - _B, 1e-9)) + _C
    return np.where(light <= 1 / 12, np.sqrt(3 * light), bright)
