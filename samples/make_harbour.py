"""Draw "Harbour at dusk", the six-second clip that vidstyle shows, tests and documents with.

Nothing is downloaded or filmed: numpy and OpenCV paint every layer of the scene (sky, hills,
town, boats, gulls) once on a *plate*, and each frame places the plates by an analytic pose.
So the motion between two frames is known exactly, which makes the clip a ruler as well as a
picture:

* ``render(t)``: frame ``t`` as uint8 RGB;
* ``flow(t)``:   the exact backward flow from frame ``t`` to ``t - 1``, and where it holds;
* ``write(path)``: the clip with its sound, as H.264 and AAC in MP4.

The lighthouse flashes at the frames in ``FLASHES`` (2.0 s and 5.0 s) and a bell strikes on the
same instants, so that picture and sound can be checked against each other.

Everything is placed in *scene units*: pixels of a 960×540 frame, y down, at the middle of the
pan. Other sizes show the same scene scaled to cover the frame. Light is linear and may exceed 1
(sun, lamps) until ``_develop`` turns it into display values.

Run ``python samples/make_harbour.py [OUT]`` to write the clip.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

WIDTH, HEIGHT, FPS, FRAMES = 960, 540, 25, 150
AUDIO_RATE = 48_000
TITLE = "Harbour at dusk"
FLASHES = (50, 125)  # frames on which the lighthouse flashes and the bell strikes

SS = 2  # supersampling: canvas and plates have SS×SS pixels for each pixel of the frame
HORIZON = 316.0  # y of the horizon
SUN = (296.0, 253.0)
LAMP = (561.0, 243.0)  # the lighthouse's lamp
QUAY = 326.0  # y where the quay meets the water
PAN = 0.8  # camera pan for parallax 1, scene units a frame
FOCAL, DEPTH = 700.0, 400.0  # water: a row d below the horizon lies DEPTH / d away

Array = np.ndarray
Pose = Callable[[float], Array]


# --- Colour, noise and small geometry -------------------------------------------------------


def _rgb(code: str, gain: float = 1.0) -> Array:
    """Linear light (3 floats) of an sRGB hex colour, times ``gain``."""
    v = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4) * np.float32(gain)


def _step(x: Array, lo: float, hi: float) -> Array:
    """Smooth step from 0 at ``lo`` to 1 at ``hi``."""
    s = np.clip((x - lo) / (hi - lo), 0, 1)
    return s * s * (3 - 2 * s)


def _noise(shape: tuple[int, int], cells: tuple[float, float], octaves: int, seed: int) -> Array:
    """Fractal noise, H×W, about -1 to 1, with ``cells`` (down, across) in its lowest octave.

    The random grids depend on ``cells`` only, so that every frame size sees the same noise.
    """
    rng, out = np.random.default_rng(seed), np.zeros(shape, np.float32)
    for o in range(octaves):
        grid = [math.ceil(c * 2**o) + 1 for c in cells]
        value = rng.uniform(-1, 1, grid).astype(np.float32)
        out += cv2.resize(value, shape[::-1], interpolation=cv2.INTER_CUBIC) / 2**o
    return out


def _move(x: float, y: float, angle: float = 0.0, size: float = 1.0) -> Array:
    """3×3 pose: scale, rotate by ``angle`` (radians), then translate to (x, y)."""
    c, s = size * math.cos(angle), size * math.sin(angle)
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]])


def _apply(m: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Transform coordinates by the affine 3×3 matrix ``m``."""
    m = m.astype(np.float32)
    return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]


def _parallax(waterline: float) -> float:
    """How far the pan moves something that floats at row ``waterline``: nearer is more."""
    return 0.5 + 0.006 * (waterline - HORIZON)


def _pan(t: float, parallax: float) -> float:
    """Sideways shift in scene units at frame ``t``; zero in the middle of the clip."""
    return -PAN * parallax * (t - (FRAMES - 1) / 2)


# --- Layers -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """A painted plate and its motion."""

    plate: Array  # h×w×4 float32, linear RGB premultiplied by alpha
    blurred: Array  # the same as small ripples reflect it: smeared vertically
    origin: tuple[float, float]  # local coordinates of the plate's top left corner
    density: float  # plate pixels for each local unit
    pose: Pose  # frame -> 3×3 matrix from local to scene coordinates
    waterline: float | None  # row where it meets the water; None: in the air, no reflection
    bend: Callable[[Array, float], Array] | None = None  # (local x, frame) -> added local y

    def sample(self, x: Array, y: Array, t: float, plate: Array | None = None) -> Array:
        """RGBA (…×4) seen at scene coordinates (x, y) in frame ``t``."""
        u, v = _apply(np.linalg.inv(self.pose(t)), x, y)
        if self.bend:
            v = v - self.bend(u, t)
        u = (u - self.origin[0]) * self.density - 0.5
        v = (v - self.origin[1]) * self.density - 0.5
        image = self.plate if plate is None else plate
        return cv2.remap(image, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR)

    def came_from(self, x: Array, y: Array, t: float) -> tuple[Array, Array]:
        """Where the surface points at scene (x, y) of frame ``t`` were in frame ``t - 1``."""
        u, v = _apply(np.linalg.inv(self.pose(t)), x, y)
        if self.bend:
            v = v - self.bend(u, t) + self.bend(u, t - 1)
        return _apply(self.pose(t - 1), u, v)

    def box(self, t: float) -> tuple[float, float, float, float]:
        """Scene bounds (x0, y0, x1, y1) of the plate in frame ``t``, without its wet part."""
        (x, y), (h, w) = self.origin, (n / self.density for n in self.plate.shape[:2])
        slack = 20 if self.bend else 0
        px, py = _apply(self.pose(t), *np.array([[x, x + w, x, x + w], [y, y, y + h, y + h]]))
        bottom = py.max() if self.waterline is None else min(py.max(), self.waterline)
        return px.min(), py.min() - slack, px.max(), bottom + slack


class Brush:
    """Paints a plate with polygons, several times finer than the plate's pixels."""

    def __init__(self, box: tuple[float, float, float, float], scale: float) -> None:
        self.box, self.density = box, SS * scale
        self.fine = max(2, math.ceil(4 / self.density))
        x0, y0, x1, y1 = box
        self.size = math.ceil((x1 - x0) * self.density), math.ceil((y1 - y0) * self.density)
        self.image = np.zeros((self.size[1] * self.fine, self.size[0] * self.fine, 4), np.float32)

    def grid(self) -> tuple[Array, Array]:
        """Local x and y (h×w) of the plate's pixels."""
        u, v = np.meshgrid(*(np.arange(n, dtype=np.float32) + 0.5 for n in self.size))
        return u / self.density + self.box[0], v / self.density + self.box[1]

    def poly(self, points, *colours: Array, across: bool = False) -> None:
        """Fill a polygon with one colour, or a gradient of several from its top (left) edge."""
        k = self.density * self.fine
        p = (np.asarray(points, np.float64) - self.box[:2]) * k - 0.5
        lo = np.maximum(np.floor(p.min(0)).astype(int), 0)
        hi = np.minimum(np.ceil(p.max(0)).astype(int) + 1, self.image.shape[1::-1])
        if (hi <= lo).any():
            return
        mask = np.zeros((hi - lo)[::-1], np.uint8)
        cv2.fillPoly(mask, [np.round((p - lo) * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
        n = mask.shape[1 if across else 0]
        at = np.linspace(0, len(colours) - 1, n)
        ramp = [np.interp(at, range(len(colours)), [c[i] for c in colours]) for i in range(3)]
        ramp = np.stack([*ramp, np.ones(n)], -1).astype(np.float32)
        fill = np.broadcast_to(ramp[None] if across else ramp[:, None], (*mask.shape, 4))
        np.copyto(self.image[lo[1] : hi[1], lo[0] : hi[0]], fill, where=mask[..., None] > 0)

    def disc(self, x: float, y: float, rx: float, ry: float, *colours: Array) -> None:
        """Fill an ellipse."""
        a = np.linspace(0, 2 * math.pi, 40)
        self.poly(np.stack([x + rx * np.cos(a), y + ry * np.sin(a)], 1), *colours)

    def rect(self, x0, y0, x1, y1, *colours: Array, across: bool = False) -> None:
        """Fill an upright rectangle."""
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], *colours, across=across)

    def line(self, points, width: float, colour: Array) -> None:
        """Stroke a polyline, segment by segment."""
        points = np.asarray(points, np.float64)
        for a, b in itertools.pairwise(points):
            side = np.array([b[1] - a[1], a[0] - b[0]]) / np.hypot(*(b - a)) * width / 2
            self.poly([a + side, b + side, b - side, a - side], colour)

    def layer(self, pose: Pose, waterline: float | None, smear: float, **more) -> Layer:
        """The finished layer; ``smear`` is the blur of its reflection in local units."""
        plate = cv2.resize(self.image, self.size, interpolation=cv2.INTER_AREA)
        return _layer(plate, self.box[:2], self.density, pose, waterline, smear, **more)


def _layer(plate: Array, origin, density, pose, waterline, smear: float, **more) -> Layer:
    sigma = max(smear * density, 0.5)
    blurred = cv2.GaussianBlur(plate, (0, 0), sigmaX=max(sigma / 6, 0.5), sigmaY=sigma)
    return Layer(plate, blurred, origin, density, pose, waterline, **more)


def _panned(parallax: float) -> Pose:
    """Pose of a layer that moves with the pan alone."""
    return lambda t: _move(_pan(t, parallax), 0)


# --- Plates -----------------------------------------------------------------------------------


def _sky(scale: float) -> Layer:
    """Gradient, sun and two decks of cloud, all at one parallax so that its flow is exact."""
    brush = Brush((-40, -12, 1000, HORIZON + 2), scale)
    x, y = brush.grid()
    up = np.clip((HORIZON - y) / HORIZON, 0, 1)
    stops = [0, 0.07, 0.2, 0.38, 0.62, 1]
    codes = ["ffc071", "ff9a55", "f0705c", "a8527c", "4d4a86", "1b2a5c"]
    colours = np.stack([_rgb(c) for c in codes])
    sky = np.stack([np.interp(up, stops, colours[:, i]) for i in range(3)], -1)
    far = _step(np.abs(x - SUN[0]), 150, 760)[..., None]  # dusk is bluer away from the sun
    sky = sky * (1 - far * (0.55, 0.5, 0.22))
    r = np.hypot(x - SUN[0], (y - SUN[1]) * 1.25)[..., None]
    sky += _rgb("ffb45c") * (1.1 * np.exp(-r / 36) + 0.5 * np.exp(-r / 150))

    def deck(seed: int, reach: float, stretch: float, cover: float) -> Callable[..., Array]:
        """Density of a cloud deck seen in perspective: it narrows towards the horizon."""
        texture = _noise((2048, 2048), (12, 12), 9, seed)

        def density(px: Array, py: Array) -> Array:
            away = 1 / (np.clip((HORIZON - py) / HORIZON, 0, 1) + reach)
            u, v = (px - 480) / 960 * away * 380 / stretch + 1024, away * 380 + 80
            warp = cv2.remap(texture, v * 0.5, u * 0.5, cv2.INTER_LINEAR) * 28
            n = cv2.remap(texture, u + warp, v + warp, cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT)
            return _step(n, cover, cover + 0.95)

        return density

    decks = ((15, 0.35, 2.2, 0.0, 1.6), (51, 0.25, 1.0, 0.1, 4.0))
    for seed, reach, stretch, cover, thick in decks:
        density = deck(seed, reach, stretch, cover)
        here, shade = density(x, y), 0.0
        for s in np.linspace(0.02, 0.22, 8, dtype=np.float32):  # cloud between here and the sun
            shade = shade + density(x + (SUN[0] - x) * s, y + (SUN[1] + 30 - y) * s) / 8
        lit = np.exp(-2.6 * shade)[..., None]
        near = np.exp(-np.hypot(x - SUN[0], y - SUN[1]) / 330)[..., None]
        bright = _rgb("ff8a66") * (0.55 + 0.3 * near) + _rgb("ffc27a") * 1.5 * near
        dark = _rgb("463f74") * 0.7 + _rgb("b05070") * 0.5 * near
        cover_up = (1 - np.exp(-thick * here))[..., None] * (0.95 - 0.75 * np.exp(-r / 22))
        sky = sky * (1 - cover_up) + cover_up * (dark + (bright - dark) * lit)

    disc = np.clip((16 - np.hypot(x - SUN[0], y - SUN[1])) * brush.density + 0.5, 0, 1)
    sky += disc[..., None] * _rgb("ffb04a", 9)
    plate = np.dstack([sky, np.ones_like(x)]).astype(np.float32)
    return _layer(plate, brush.box[:2], brush.density, _panned(_parallax(HORIZON)), HORIZON, 9)


def _hills(scale, seed, top, height, slope, parallax, crest: str, foot: str, trees: float) -> Layer:
    """A range of hills: a fractal ridge, slopes lit from the sun's side, mist at the foot."""
    base = HORIZON + 1.5
    brush = Brush((-60, top - 1.5 * height, 1020, base), scale)
    x, y = brush.grid()
    line = _noise((1, x.shape[1]), (1, 5), 6, seed)
    leafy = _noise((1, x.shape[1]), (1, 250), 3, seed + 1)
    ridge = top - height * 0.55 * line - slope * (x[:1] - 480) / 480 - trees * leafy
    below = (y - ridge) / np.maximum(base - ridge, 1)
    gullies = _noise((256, 2048), (5, 70), 5, seed + 2)  # they wind down the slopes
    u = (x + 60) * 1.7 + 22 * _noise(x.shape, (2, 24), 3, seed + 3)
    relief = cv2.remap(gullies, u, 120 * below + 0.4 * (y - top), cv2.INTER_CUBIC)
    light = np.clip(np.gradient(relief, axis=1) * brush.density * 6, -1, 1) * (1 - below)
    mist = _step(below, 0.1, 1.1)[..., None]
    rgb = _rgb(crest) * (1 - mist) + _rgb(foot) * mist
    warm = np.exp(-np.abs(x - SUN[0]) / 190)[..., None]
    rgb = rgb * (1 + 0.5 * light[..., None]) + _rgb("ff9050") * warm * (0.10 + 0.22 * mist)
    alpha = np.clip((y - ridge) * brush.density + 0.5, 0, 1)[..., None]
    plate = np.concatenate([rgb * alpha, alpha], -1).astype(np.float32)
    return _layer(plate, brush.box[:2], brush.density, _panned(parallax), base, 5)


def _house(b: Brush, rng: np.random.Generator, x: float, base: float, w: float, h: float) -> None:
    """A house lit by the sunset from the left, some of its windows by lamps within."""
    wall = _rgb(rng.choice(["e8c9a0", "d8a888", "c9b8b0", "e0d0b8", "b88878", "9aa0b0"]), 0.42)
    roof = _rgb(rng.choice(["8a3f34", "70343a", "5a4048", "94503c"]), 0.55)
    b.rect(x, base - h, x + w, base, wall * (1.5, 1.05, 0.8), wall * (0.5, 0.5, 0.68), across=True)
    pitch = w * rng.uniform(0.35, 0.55)
    if rng.random() < 0.5:  # gable towards us
        eaves = [(x - 0.7, base - h), (x + w / 2, base - h - pitch), (x + w + 0.7, base - h)]
        b.poly(eaves, wall * (1.3, 0.95, 0.75), wall * 0.6, across=True)
        b.line(eaves, 1.3, roof * 0.8)
    else:
        hip = [(x - 1, base - h), (x + 2, base - h - pitch * 0.8)]
        b.poly([*hip, *((2 * x + w - px, py) for px, py in hip[::-1])], roof * 1.6, roof * 0.7)
    chimney = x + w * rng.uniform(0.6, 0.75)
    b.rect(chimney, base - h - pitch, chimney + 1.8, base - h - pitch * 0.3, roof * 0.5)
    columns, floors = max(2, round(w / 6)), max(1, round(h / 8.5))
    for i in range(columns):
        for j in range(floors):
            wx, wy = x + (i + 0.5) * w / columns, base - (j + 0.5) * h / floors
            on = rng.random() < 0.42
            glass = _rgb("ffb84d", rng.uniform(1.0, 2.6)) if on else _rgb("2a3048", 0.5)
            b.rect(wx - 1.1, wy - 1.7, wx + 1.1, wy + 1.5, glass)


def _lighthouse(b: Brush) -> None:
    """A red and white tower at the end of the mole, its lamp at ``LAMP``."""
    x, y = LAMP
    foot, top = QUAY - 8, y + 6
    bands = np.linspace(top, foot, 7)
    for i, (y0, y1) in enumerate(itertools.pairwise(bands)):
        r0, r1 = (5.2 + 4.3 * (v - top) / (foot - top) for v in (y0, y1))
        c = _rgb("f4ece0" if i % 2 else "c8402f")
        shades = (c * (1.0, 0.8, 0.62), c * (0.85, 0.66, 0.55), c * 0.3, c * (0.16, 0.17, 0.25))
        b.poly([(x - r0, y0), (x + r0, y0), (x + r1, y1), (x - r1, y1)], *shades, across=True)
    for wy in (foot - 14, foot - 38):
        b.rect(x - 1.2, wy - 2.5, x + 1.2, wy + 2, _rgb("ffb84d", 1.6))
    dark = _rgb("241d2e")
    b.rect(x - 8, top - 1.2, x + 8, top + 1, dark)
    b.line([(x - 7.6, top - 5), (x + 7.6, top - 5)], 0.6, dark)
    for dx in (-7.4, -5, 5, 7.4):
        b.line([(x + dx, top - 5), (x + dx, top)], 0.6, dark)
    b.rect(x - 3.8, y - 5, x + 3.8, top - 1, _rgb("ffcf80", 1.6), _rgb("ffb050", 0.8))
    b.disc(x, y, 2.2, 2.8, _rgb("ffe8b0", 5))
    for dx in (-3.8, 0, 3.8):
        b.line([(x + dx, y - 5), (x + dx, top)], 0.6, dark)
    b.poly([(x - 5.2, y - 4.6), (x - 3, y - 8), (x, y - 10), (x + 3, y - 8), (x + 5.2, y - 4.6)],
           _rgb("a83a30", 0.7), _rgb("401820"), across=True)  # fmt: skip
    b.line([(x, y - 10), (x, y - 15)], 0.7, dark)


def _town(scale: float) -> Layer:
    """Terraces of houses above a stone quay, a church, trees, lamps, and the lighthouse."""
    b, rng = Brush((480, 190, 1060, QUAY), scale), np.random.default_rng(21)
    green = [_rgb(c) for c in ("1f2a30", "2a3434", "28243a", "35363a")]
    for row, (rise, first, w, h) in enumerate([(58, 760, 13, 11), (43, 705, 15, 13),
                                               (27, 655, 18, 15), (9, 618, 21, 19)]):  # fmt: skip
        base, x = QUAY - rise, float(first)
        b.poly([(first - 50, QUAY), (first - 8, base - 1), (1060, base - 6), (1060, QUAY)],
               _rgb("4a3848", 0.8), _rgb("221f30"))  # fmt: skip
        if row == 2:  # the church stands between the terraces
            cx = 802
            stone = [_rgb("d0b090", 0.75), _rgb("5a5060", 0.45)]
            b.rect(cx - 7, base - 46, cx + 7, base, *stone, across=True)
            b.poly([(cx - 8.5, base - 46), (cx, base - 82), (cx + 8.5, base - 46)],
                   _rgb("6a6a70", 0.9), _rgb("2c2c40", 0.7), across=True)  # fmt: skip
            b.line([(cx, base - 82), (cx, base - 88)], 0.8, _rgb("ffc070", 0.8))
            b.disc(cx, base - 37, 3.4, 3.4, _rgb("ffd890", 1.5))
            b.rect(cx - 1.6, base - 26, cx + 1.6, base - 18, _rgb("ffb040", 1.7))
        while x < 1050:
            width = w * rng.uniform(0.8, 1.35)
            if rng.random() < 0.24:
                for _ in range(7):
                    tx, ty = x + rng.uniform(0, width), base - rng.uniform(3, h * 1.05)
                    c = green[rng.integers(4)]
                    b.disc(tx, ty, rng.uniform(3, 5.5), rng.uniform(3, 6), c * 1.7, c * 0.6)
            else:
                _house(b, rng, x, base - 2 * math.sin(x / 31), width, h * rng.uniform(0.85, 1.4))
            x += width + rng.uniform(-1, 3)
    b.poly([(520, QUAY), (528, QUAY - 7), (600, QUAY - 8.5), (1060, QUAY - 9), (1060, QUAY)],
           _rgb("8a7078", 0.7), _rgb("2b2636"))  # fmt: skip
    for _ in range(150):  # stones of the quay, boulders around the mole
        sx, sy = rng.uniform(525, 1055), QUAY - rng.uniform(0.5, 6)
        c = _rgb("a08078", rng.uniform(0.1, 0.5))
        b.rect(sx, sy - 1, sx + rng.uniform(2, 5), sy, c)
    for _ in range(60):
        rx = 512 + 80 * rng.beta(1.2, 2.2)
        c = _rgb("6a5560", rng.uniform(0.25, 0.8))
        b.disc(rx, QUAY - rng.uniform(0, 3.5), rng.uniform(2, 5), rng.uniform(1.5, 3.4), c, c * 0.3)
    _lighthouse(b)
    for lx in range(640, 1050, 47):
        b.line([(lx, QUAY - 8), (lx, QUAY - 22)], 0.8, _rgb("1c1826"))
        b.disc(lx, QUAY - 23, 1.7, 1.7, _rgb("ffc870", 5))
    for mx in (672, 700, 742, 768, 846, 905, 958):  # fishing boats along the quay
        tall, c = rng.uniform(24, 42), _rgb(rng.choice(["2c4a68", "7a2c30", "d8d0c0", "2f5a50"]))
        b.line([(mx + 1, QUAY - 3), (mx + 1, QUAY - tall)], 0.9, _rgb("d0a080", 0.6))
        stays = [(mx - 9, QUAY - 5), (mx + 1, QUAY - tall), (mx + 10, QUAY - 5)]
        b.line(stays, 0.4, dark := _rgb("2a2430"))
        b.rect(mx - 4, QUAY - 9, mx + 3, QUAY - 3, c * 0.9 + 0.05, dark)
        b.poly([(mx - 11, QUAY - 5.5), (mx + 12, QUAY - 6), (mx + 9, QUAY), (mx - 9, QUAY)],
               c * 0.7, c * 0.2)  # fmt: skip
    return b.layer(_panned(_parallax(QUAY)), QUAY, 4)


def _sailing_boat(scale: float, x: float, waterline: float, size: float, speed: float) -> Layer:
    """A sloop on a beam reach: it heels and bobs about its own waterline."""
    b = Brush((-52, -150, 58, 10), scale * size)

    def sail(tack, head, clew, belly: float, *colours: Array) -> None:
        t = np.linspace(0, 1, 24)[:, None]
        tack, head, clew = (np.array(p, np.float64) for p in (tack, head, clew))
        leech = head + (clew - head) * t + np.array([belly, 0]) * np.sin(math.pi * t)
        b.poly(np.concatenate([[tack], leech]), *colours, across=True)
        for s in (0.25, 0.45, 0.65, 0.84):  # seams
            left = head + (tack - head) * s
            right = head + (clew - head) * s + (belly * math.sin(math.pi * s), 0)
            b.line([left, right], 0.35, colours[-1] * 0.8)

    wood, dark = _rgb("5a3324"), _rgb("1a1626")
    b.line([(1, -4), (1, -146)], 1.7, wood)
    sail((-1, -17), (0, -143), (-41, -15), -7, _rgb("ffcf96", 1.05), _rgb("f0b08a", 0.75),
         _rgb("b07a80", 0.62))  # fmt: skip
    sail((46, -10), (3, -132), (7, -13), 7, _rgb("c07868", 0.7), _rgb("ffd2a0", 0.95),
         _rgb("d89080", 0.7))  # fmt: skip
    b.line([(2, -16), (-43, -14)], 1.5, wood)
    b.line([(3, -132), (50, -9)], 0.5, dark)
    b.line([(1, -146), (-44, -8)], 0.4, dark)
    b.poly([(1, -146), (1, -141), (-9, -142.5), (-8, -145)], _rgb("e04a38"))
    b.poly([(-24, -9), (-20, -14), (10, -14.5), (16, -9)], _rgb("f0d8b8", 0.6), _rgb("705860", 0.6))
    for cx in (-16, -9, -2, 5):
        b.disc(cx, -11.4, 1.4, 1.1, _rgb("ffc060", 2.6))
    bow = [(-45, -10), (-20, -8.2), (20, -8.6), (54, -12.5), (46, -3), (38, 4), (-40, 4)]
    b.poly(bow, _rgb("2e4a70", 0.9), _rgb("131a30"), _rgb("401018"))
    b.line([(-45, -9.6), (-20, -7.8), (20, -8.2), (53, -12)], 1.3, _rgb("ffdcb0", 0.9))
    b.disc(-29, -13.5, 2.0, 3.6, _rgb("a03028", 0.7), dark)  # the helmsman
    b.disc(-28.7, -18, 1.6, 1.8, _rgb("c08060", 0.7))
    b.rect(-46, -18, -45.2, -9, dark)

    def pose(t: float) -> Array:
        bob = 1.6 * size * math.sin(0.105 * t + x)
        heel = math.radians(2.5 + 2.0 * math.sin(0.082 * t + 1 + x))
        along = x + _pan(t, _parallax(waterline)) + speed * (t - FRAMES / 2)
        return _move(along, waterline + bob, heel, size)

    return b.layer(pose, waterline, 0.6)


def _posts(scale: float) -> Layer:
    """Mooring posts close to the camera, a rope between them and a lantern."""
    water = 560.0  # below the frame
    b = Brush((-100, -190, 130, 60), scale)
    dark = _rgb("140f18")
    for x, top, r in ((-62, -62, 8), (8, -104, 9.5), (84, -46, 8.5)):
        edge, mid = _rgb("b06848", 0.8), _rgb("3c2a30")
        b.rect(x - r, top, x + r, 60, edge, mid, mid * 0.5, dark, across=True)
        b.disc(x, top, r, r * 0.3, _rgb("c08868", 0.7), _rgb("5a4048"))
        grain = np.random.default_rng(int(100 + x))
        for gx in grain.uniform(-r + 1, r - 1, 9):
            y0 = top + grain.uniform(4, 40)
            b.line([(x + gx, y0), (x + gx + 0.6, y0 + grain.uniform(15, 60))], 0.6, dark)
        for turn in range(4):
            c = _rgb("c8a070", 0.55 - 0.05 * turn)
            b.poly([(x - r - 1, top + 13 + 4 * turn), (x + r + 1, top + 15 + 4 * turn),
                    (x + r + 1, top + 18.4 + 4 * turn), (x - r - 1, top + 16.4 + 4 * turn)],
                   c, c * 0.3, across=True)  # fmt: skip
    for (x0, y0), (x1, y1), sag in (((-54, -44), (-1, -84), 26), ((17, -84), (76, -28), 30)):
        s = np.linspace(0, 1, 30)
        rope = np.stack([x0 + (x1 - x0) * s, y0 + (y1 - y0) * s + 4 * sag * s * (1 - s)], 1)
        b.line(rope, 2.6, _rgb("6a4a3c", 0.8))
        b.line(rope - (0, 0.6), 0.9, _rgb("d8a878", 0.7))
    b.line([(8, -104), (8, -148), (22, -148), (22, -142)], 1.8, dark)
    b.rect(16, -141, 28, -122, _rgb("ffb850", 3.2), _rgb("ff9a38", 1.8))
    b.disc(22, -131, 2.6, 4.4, _rgb("fff0c0", 7))
    for x in (16, 22, 28):
        b.line([(x, -141), (x, -122)], 1.0, dark)
    b.poly([(13.5, -140), (22, -147), (30.5, -140)], dark)
    b.rect(14.5, -123, 29.5, -120, dark)
    return b.layer(lambda t: _move(838 + _pan(t, _parallax(water)), 512), water, 0.6)


def _gull(scale: float, x: float, y: float, size: float, phase: float) -> Layer:
    """A gull: a flat spread-winged plate that ``bend`` flaps, so that its flow is exact too."""
    b = Brush((-22, -8, 22, 8), scale * size)
    back, tip = _rgb("e8d8d8", 0.5), _rgb("201c2c")
    for s in (-1, 1):
        wing = [(0, -1.6), (7, -2.6), (13, -1.9), (21, 0.6), (13, 0.5), (6, 1.5), (0, 1.6)]
        colours = (back, back * 0.8, tip)
        b.poly([(s * px, py) for px, py in wing], *colours[::s], across=True)
    b.disc(1, 0.3, 6, 1.9, _rgb("fff0e0", 0.75), _rgb("8a7888", 0.6))
    b.poly([(6, -0.5), (9.6, 0.4), (6, 1)], _rgb("e0a040"))

    def bend(u: Array, t: float) -> Array:
        r, beat = np.abs(u) / 21, 0.34 * t + phase
        return -8 * r * (0.3 + math.sin(beat)) + 5 * r * r * (0.6 + math.sin(beat - 0.9))

    def pose(t: float) -> Array:
        s = t - FRAMES / 2
        drift = y - 0.12 * s + 5 * math.sin(0.045 * t + phase) - 1.5 * math.sin(0.34 * t + phase)
        return _move(x + 0.85 * size * s, drift, -0.10 + 0.05 * math.sin(0.05 * t + phase), size)

    return b.layer(pose, None, 0, bend=bend)


@lru_cache(maxsize=2)
def _scene(scale: float) -> tuple[Layer, ...]:
    """All layers from back to front, for ``scale`` frame pixels per scene unit."""
    return (
        _sky(scale),
        _hills(scale, 31, 268, 34, -14, 0.51, "8a5a86", "e08a78", 0),
        _hills(scale, 47, 284, 30, 16, 0.525, "5c4272", "b86a78", 0.5),
        _hills(scale, 60, 288, 22, 62, 0.54, "2e2a4c", "6e4864", 1.6),
        _town(scale),
        _sailing_boat(scale, 168, 331, 0.26, -0.06),
        _sailing_boat(scale, 404, 386, 1.12, 0.42),
        *(
            _gull(scale, *g)
            for g in (
                (520, 112, 1.25, 0),
                (590, 84, 0.9, 2),
                (462, 158, 0.75, 4),
                (185, 125, 0.6, 1),
            )
        ),
        _posts(scale),
    )


# --- Water and frames -------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """A frame of ``width``×``height`` pixels, ``ss`` samples each way per pixel."""

    width: int
    height: int
    ss: int = 1

    @property
    def scale(self) -> float:
        """Frame pixels per scene unit: the scene covers the frame whatever its shape."""
        return max(self.width / WIDTH, self.height / HEIGHT)

    def axis(self, n: int, middle: float) -> Array:
        """Scene coordinates of ``n`` pixels' samples around the scene's ``middle``."""
        i = np.arange(n * self.ss, dtype=np.float32)
        return ((i + 0.5) / self.ss - n / 2) / self.scale + middle

    @property
    def x(self) -> Array:
        return self.axis(self.width, WIDTH / 2)

    @property
    def y(self) -> Array:
        return self.axis(self.height, HEIGHT / 2)


@lru_cache(maxsize=1)
def _waves() -> Array:
    """The sea: an n×4 table of wave vector (x, z), slope amplitude and phase."""
    rng, n = np.random.default_rng(4), 34
    k = 2 * math.pi / np.geomspace(2.2, 0.07, n)
    heading = rng.normal(1.2, 0.75, n)
    slope = 0.0105 * (k / k[0]) ** 0.04
    columns = (k * np.cos(heading), k * np.sin(heading), slope, rng.uniform(0, 6.28, n))
    return np.stack(columns, 1)


def _slopes(view: View, y: Array, t: float) -> tuple[Array, Array]:
    """Slope of the water across and along the view at rows ``y`` (below the horizon)."""
    d = (y - HORIZON)[:, None]
    z = DEPTH / d
    shift = np.array([_pan(t, _parallax(v)) for v in y], np.float32)[:, None]
    x = (view.x[None] - WIDTH / 2 - shift) * (z / FOCAL)
    across, along = np.zeros_like(x), np.zeros_like(x)
    for kx, kz, amplitude, phase in _waves().astype(np.float32):
        # What a pixel can't resolve, it averages: fade each wave where it gets too fine.
        blur = (kx * z / FOCAL) ** 2 + (kz * z / d) ** 2
        fade = amplitude * np.exp(-0.5 * blur / view.scale**2)
        first = int(np.argmax(fade[:, 0] > 2e-4))
        omega = math.sqrt(1.6 * math.hypot(kx, kz))
        wave = np.cos(kx * x[first:] + (kz * z[first:] + (phase - omega * t / FPS)))
        wave *= fade[first:]
        across[first:] += wave * (kx / math.hypot(kx, kz))
        along[first:] += wave * (kz / math.hypot(kx, kz))
    gust = 1 + 0.4 * np.sin(0.9 * x + 0.35 * z + 0.3 * np.sin(1.7 * x)) * np.sin(0.23 * z + 1)
    return across * gust, along * gust


def _glow(x: Array, y: Array, t: float) -> Array:
    """Light (…×3) of the lighthouse's flash at scene coordinates, with its two beams."""
    power = sum(math.exp(-(t - f) / 7) for f in FLASHES if t >= f)
    if power < 1e-3:
        return np.zeros((*np.broadcast(x, y).shape, 3), np.float32)
    dx = np.abs(x - LAMP[0] - _pan(t, _parallax(QUAY)))
    dy = np.abs(y - LAMP[1])
    beam = 0.8 * np.exp(-dy / (1.2 + 0.06 * dx) - dx / 190)
    halo = 4 * np.exp(-np.hypot(dx, dy) / 5) + 0.5 * np.exp(-np.hypot(dx, dy) / 34)
    return (power * (beam + halo))[..., None] * _rgb("fff0c8")


def _water(view: View, layers: tuple[Layer, ...], y: Array, t: float) -> Array:
    """The water at rows ``y``: what its slopes mirror, over its own dark green."""
    across, along = _slopes(view, y, t)
    d = (y - HORIZON)[:, None]
    x, y = np.broadcast_to(view.x[None], across.shape), y[:, None]
    light = np.zeros((*across.shape, 3), np.float32)
    for layer in layers:
        if layer.waterline is None:
            continue
        # The mirror image stands on its head under the waterline. A slope turns the ray by twice
        # itself; the nearer the object is to the mirroring point, the less that displaces it.
        lever = np.clip(1 - (layer.waterline - HORIZON) / d, 0, 1) * 2
        mx = np.clip(x + lever * d * across * 1.5, view.x[0], view.x[-1])
        my = 2 * layer.waterline - y + lever * FOCAL * along * 0.8
        if layer is layers[0]:  # rays that would pass under the horizon meet waves, which mirror
            my = HORIZON - np.abs(HORIZON - my)
        part = layer.sample(mx, np.maximum(my, -10), t, layer.blurred)
        part *= (y > layer.waterline)[..., None]
        light *= 1 - part[..., 3:]
        light += part[..., :3]
        if layer.waterline == QUAY:
            light += _glow(mx, my, t)
    facing = np.clip(d / FOCAL * 1.15 - along * 1.2, 0, 1)[..., None]
    fresnel = 0.16 + 0.84 * (1 - facing) ** 4
    body = _rgb("142a4a", 0.9) + _rgb("143c5c", 0.6) * np.clip(along * 6, -0.6, 1)[..., None]
    return light * fresnel + body * (1 - fresnel)


def _cut(view: View, layer: Layer, t: float) -> tuple[tuple[slice, slice], Array] | None:
    """The window of the canvas that ``layer`` touches, and its RGBA there; None if outside."""
    x0, y0, x1, y1 = layer.box(t)
    cols = slice(*np.searchsorted(view.x, (x0, x1)))
    rows = slice(*np.searchsorted(view.y, (y0, y1 + 1)))
    if cols.start >= cols.stop or rows.start >= rows.stop:
        return None
    part = layer.sample(*np.meshgrid(view.x[cols], view.y[rows]), t)
    if layer.waterline is not None:  # the water hides what is below
        dry = (layer.waterline - view.y[rows]) * view.scale * view.ss + 0.5
        part *= np.clip(dry, 0, 1)[:, None, None]
    return (rows, cols), part


def _develop(light: Array, view: View) -> Array:
    """Display RGB (0..1) of linear light: bloom, a slight vignette, a film-like shoulder."""
    small = cv2.resize(np.clip(light - 0.9, 0, 6), None, fx=0.5, fy=0.5,
                       interpolation=cv2.INTER_AREA)  # fmt: skip
    bloom = sum(gain * cv2.GaussianBlur(small, (0, 0), r * view.scale / 2)
                for r, gain in ((2.5, 0.22), (9, 0.12), (36, 0.07)))  # fmt: skip
    light = light + cv2.resize(bloom, (view.width, view.height))
    u = (view.x[None] - WIDTH / 2) / WIDTH
    v = (view.y[:, None] - HEIGHT / 2) / HEIGHT
    light *= (1.04 - 0.55 * (u * u + v * v) ** 1.2)[..., None]
    light = np.where(light < 0.55, light, 1 - 0.45 * np.exp((0.55 - light) / 0.45))
    curve = 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055
    return np.where(light < 0.0031308, light * 12.92, curve)


def render(t: int, *, width: int = WIDTH, height: int = HEIGHT, grain: bool = True) -> Array:
    """Frame ``t`` (0 to ``FRAMES - 1``) as uint8 RGB, H×W×3."""
    view = View(width, height, SS)
    layers = _scene(view.scale)
    canvas = np.zeros((height * SS, width * SS, 3), np.float32)
    wet = int(np.searchsorted(view.y, HORIZON))
    canvas[wet:] = _water(view, layers, view.y[wet:], t)
    for layer in layers:
        cut = _cut(view, layer, t)
        if cut:
            where, part = cut
            canvas[where] = canvas[where] * (1 - part[..., 3:]) + part[..., :3]
    # A little softness, as of a lens: without it fine details shimmer as they move.
    canvas = cv2.GaussianBlur(canvas, (0, 0), 0.42 * SS)
    light = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    view = View(width, height)
    light += _glow(view.x[None], view.y[:, None], t) * (view.y < QUAY)[:, None, None]
    rgb = _develop(light, view) * 255
    if grain:
        noise = np.random.default_rng((7, t)).normal(0, 2.2, (height, width)).astype(np.float32)
        rgb += cv2.GaussianBlur(noise, (0, 0), 0.7)[..., None]
    return np.clip(np.round(rgb), 0, 255).astype(np.uint8)


# --- Flow -------------------------------------------------------------------------------------


def _owners(view: View, t: float) -> tuple[Array, Array]:
    """Which layer each pixel shows (int, -1 for water), and whether it shows that one alone."""
    owner = np.where(view.y >= HORIZON, -1, 0)[:, None].repeat(view.width, 1)
    pure = np.ones(owner.shape, bool)
    fine = View(view.width, view.height, SS)
    for i, layer in enumerate(_scene(view.scale)):
        cut = _cut(fine, layer, t)
        if cut is None or i == 0:
            continue
        alpha = np.zeros((view.height * SS, view.width * SS), np.float32)
        alpha[cut[0]] = cut[1][..., 3]
        alpha = cv2.resize(alpha, (view.width, view.height), interpolation=cv2.INTER_AREA)
        owner[alpha > 0.5] = i
        pure[alpha > 0.002] = False
        pure[alpha > 0.998] = True
    return owner, pure


def flow(t: int, *, width: int = WIDTH, height: int = HEIGHT) -> tuple[Array, Array]:
    """The exact backward flow of frame ``t`` (1 or later), and where it is valid.

    Returns ``flow``, float32 H×W×2: the point that pixel p shows in frame ``t`` was at
    ``p + flow[p]`` (x, then y, in pixels) in frame ``t - 1``; and ``valid``, bool H×W. Not valid:

    * the water, since reflections in moving ripples have no motion of their own (its ``flow`` is
      that of a still surface under the pan);
    * points which another layer covered, or which were outside, in frame ``t - 1``;
    * pixels on a layer's edge, where two motions mix, in either frame;
    * the surroundings of the lighthouse while its flash changes their brightness.
    """
    view = View(width, height)
    x, y = np.meshgrid(view.x, view.y)
    (owner, pure), (before, pure_before) = _owners(view, t), _owners(view, t - 1)
    depth = _parallax(np.maximum(y, HORIZON))
    px, py = x + depth * (_pan(t - 1, 1) - _pan(t, 1)), y.copy()
    valid = pure & (owner >= 0)
    for i, layer in enumerate(_scene(view.scale)):
        mine = owner == i
        px[mine], py[mine] = layer.came_from(x[mine], y[mine], t)
    out = (np.stack([px - x, py - y], -1) * view.scale).astype(np.float32)
    u, v = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    u, v = u + out[..., 0], v + out[..., 1]
    for i in np.unique(owner[owner >= 0]):
        # All four pixels around the point in frame t - 1 must show the same layer alone.
        same = ((before == i) & pure_before).astype(np.float32)
        seen = cv2.remap(same, u, v, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, 0)
        valid &= (owner != i) | (seen > 0.999)
    change = _glow(x, y, t) - _glow(px, py, t - 1)
    return out, valid & (np.abs(change).max(-1) < 0.004)


# --- Sound and file -----------------------------------------------------------------------------


def sound() -> Array:
    """The sound track, float32 2×N in -1..1: waves, a pad with a few notes, bell and horn."""
    n = AUDIO_RATE * FRAMES // FPS
    s, rng = np.arange(n) / AUDIO_RATE, np.random.default_rng(11)
    out = np.zeros((2, n))

    def add(signal: Array, pan: float, gain: float) -> None:
        out[0] += signal * gain * math.cos((1 + pan) * math.pi / 4)
        out[1] += signal * gain * math.sin((1 + pan) * math.pi / 4)

    f = np.fft.rfftfreq(n, 1 / AUDIO_RATE)
    for pan, rate, phase in ((-0.7, 0.31, 0), (0.6, 0.26, 2.1), (0.0, 0.43, 4)):
        spectrum = np.fft.rfft(rng.normal(size=n)) / (1 + (f / 420) ** 1.5) * (f > 60)
        surf = np.fft.irfft(spectrum, n)
        swell = 0.25 + 0.75 * (0.5 + 0.5 * np.sin(2 * math.pi * rate * s + phase)) ** 2
        add(surf / surf.std() * swell, pan, 0.032)
    for start, end, chord in ((0, 3.2, (146.8, 220.0, 277.2, 369.9)),
                              (2.8, 6.0, (123.5, 185.0, 293.7, 369.9))):  # fmt: skip
        fade = _step(s, start, start + 1.0) * (1 - _step(s, end - 0.4, end + 0.4))
        for i, note in enumerate(chord):
            for detune in (-0.4, 0.5):
                wave = np.sin(2 * math.pi * (note + detune) * s + i)
                add(wave * fade, 0.5 * (-1) ** i, 0.020)
    for start, note in ((0.6, 739.9), (1.3, 880.0), (2.8, 659.3), (3.5, 739.9), (4.3, 587.3)):
        age = np.clip(s - start, 0, None)
        pluck = np.sin(2 * math.pi * note * age) + 0.3 * np.sin(4 * math.pi * note * age)
        add(pluck * np.exp(-2.6 * age) * np.clip(age * 150, 0, 1), 0.3, 0.045)
    for frame in FLASHES:
        age = np.clip(s - frame / FPS, 0, None)
        for ratio, level in ((0.5, 0.5), (1, 1), (1.2, 0.6), (1.5, 0.4), (2, 0.5), (2.76, 0.3)):
            strike = np.sin(2 * math.pi * 523 * ratio * age) * np.exp(-(1 + ratio) * age)
            add(strike * np.clip(age * 800, 0, 1), 0.2, 0.085 * level)
    blast = _step(s, 3.3, 3.6) * (1 - _step(s, 4.3, 4.8))
    for k in range(1, 7):
        add(np.sin(2 * math.pi * 92.5 * k * s) * blast, -0.6, 0.05 / k**1.4)
    out *= _step(s, 0, 0.4) * (1 - _step(s, 5.4, 6.0))
    return (out * 0.6 / np.abs(out).max()).astype(np.float32)


def _frames() -> Iterator[av.VideoFrame]:
    """The clip's frames, yuv420p in BT.709."""
    for t in range(FRAMES):
        frame = av.VideoFrame.from_ndarray(render(t), format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base, frame.duration = t, Fraction(1, FPS), 1
        yield frame


def write(path: str | Path) -> None:
    """Render the whole clip to ``path`` (MP4: H.264 BT.709, AAC stereo), in about 90 s.

    The frames are the same in every run; the file need not be, since x264 may code the same
    frames in slightly different bytes.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        out.metadata["title"] = TITLE
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryslow", "crf": "18"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        c = video.codec_context
        c.time_base = Fraction(1, FPS)
        c.color_range, c.colorspace = ColorRange.MPEG, Colorspace.ITU709
        c.color_primaries, c.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        audio = out.add_stream("aac", rate=AUDIO_RATE, layout="stereo")
        audio.bit_rate = 128_000
        for frame in _frames():
            out.mux(video.encode(frame))
        out.mux(video.encode())
        track = av.AudioFrame.from_ndarray(sound(), format="fltp", layout="stereo")
        track.sample_rate, track.pts, track.time_base = AUDIO_RATE, 0, Fraction(1, AUDIO_RATE)
        out.mux(audio.encode(track))
        out.mux(audio.encode())


def main() -> None:
    """Command line: ``make_harbour.py [OUT]``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).with_name("harbour.mp4")
    parser.add_argument("out", nargs="?", type=Path, default=default, help="MP4 file to write")
    path = parser.parse_args().out
    write(path)
    print(f"{path}: {FRAMES} frames, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
