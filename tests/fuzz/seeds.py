"""The corpus: small valid files of every kind that is read, always the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import tifffile
import torch
from safetensors.torch import save_file

from tests.clips import Recipe, Sound, Subtitle, write_clip
from tests.toys import toy_file, toy_photo, toy_vgg
from vidstyle.sequences import write_picture
from vidstyle.store import Checkpoint, Checkpoints
from vidstyle.styles import write_style_file

SMALL = 48, 32

_MOVING = {"ticks": tuple(range(8)), "size": SMALL}
_CLIPS = {
    "h264.mp4": Recipe(
        **_MOVING,
        sounds=[Sound(seconds=0.3, metadata={"language": "deu"})],
        rotation=90,
        metadata={"title": "Hafen"},
        chapters=[("one", 0.0, 0.1), ("two", 0.1, 0.3)],
        options={"bf": "2"},
    ),
    "fragmented.mp4": Recipe(
        **_MOVING,
        sounds=[Sound(seconds=0.3)],
        options={"g": "4"},
        container_options={"movflags": "frag_keyframe+empty_moov"},
    ),
    "mjpeg.mov": Recipe(
        **_MOVING,
        codec="mjpeg",
        pix_fmt="yuvj420p",
        color=(2, 2, 2, 2),
        sounds=[Sound("pcm_s16le", seconds=0.3)],
    ),
    "prores.mov": Recipe(**_MOVING, codec="prores_ks", pix_fmt="yuva444p10le"),
    "ffv1.mkv": Recipe(
        **_MOVING,
        codec="ffv1",
        pix_fmt="yuv422p10le",
        sounds=[Sound("flac", seconds=0.3)],
        subtitles=[Subtitle("ein Wort", 0.0, 0.2)],
    ),
    "vfr.mkv": Recipe(ticks=(5, 40, 41, 90, 200), time_base=Fraction(1, 1000), size=SMALL, rate=30),
    "vp9.webm": Recipe(**_MOVING, codec="libvpx-vp9", sounds=[Sound("libopus", seconds=0.3)]),
    "mpeg4.avi": Recipe(**_MOVING, codec="mpeg4", sounds=[Sound("mp2", seconds=0.3)]),
    "h264.ts": Recipe(**_MOVING, sounds=[Sound(seconds=0.3)]),
    "mpeg2.mpg": Recipe(**_MOVING, codec="mpeg2video"),
    "h264.flv": Recipe(**_MOVING, sounds=[Sound(seconds=0.3)]),
    "animation.gif": Recipe(**_MOVING, codec="gif", pix_fmt="rgb8"),
    "wmv2.asf": Recipe(**_MOVING, codec="wmv2"),
    "huffyuv.nut": Recipe(**_MOVING, codec="ffvhuff", pix_fmt="yuv444p"),
}


def write_seeds(folder: Path, videos: Sequence[Path] = ()) -> dict[str, list[Path]]:
    """The corpus by kind, the files of a kind always in the same order.

    Args:
        videos: to be used instead of the corpus's own.
    """
    kinds: dict[str, Callable[[Path], None]] = {
        "video": _videos,
        "picture": _pictures,
        "image": _images,
        "style": _styles,
        "cuts": _cuts,
        "vgg": _networks,
        "checkpoint": _checkpoints,
    }
    for kind, write in kinds.items():
        (folder / kind).mkdir(parents=True)
        if kind == "video" and videos:
            for path in videos:
                (folder / kind / path.name).symlink_to(path.resolve())
        else:
            write(folder / kind)
    return find_seeds(folder)


def find_seeds(folder: Path) -> dict[str, list[Path]]:
    """What ``write_seeds`` has written there."""
    return {kind.name: sorted(kind.iterdir()) for kind in sorted(folder.iterdir()) if kind.is_dir()}


def _videos(folder: Path) -> None:
    for name, recipe in _CLIPS.items():
        write_clip(folder / name, recipe)


def _pictures(folder: Path) -> None:
    photo = toy_photo(*SMALL)
    deep = photo.astype(np.uint16) * 257
    alpha = np.dstack([photo, photo[..., 0]])
    light = photo.astype(np.float32) / 100
    _encode(folder / "rgb8.png", photo)
    _encode(folder / "rgba16.png", np.dstack([deep, deep[..., 0]]))
    _encode(folder / "grey.png", photo[..., 0])
    _encode(folder / "baseline.jpg", photo)
    _encode(folder / "progressive.jpg", photo, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    layouts: dict[str, dict[str, object]] = {
        "strips.tif": {"rowsperstrip": 7},
        "tiles.tif": {"tile": (16, 32), "compression": "zlib", "predictor": True},
        "big.tif": {"bigtiff": True, "byteorder": ">"},
    }
    for name, layout in layouts.items():
        tifffile.imwrite(folder / name, alpha, photometric="rgb", **layout)  # type: ignore[arg-type]
    tifffile.imwrite(folder / "float.tif", light, photometric="rgb", compression="zlib")
    _encode(folder / "lzw.tif", photo, cv2.IMWRITE_TIFF_COMPRESSION, 5)
    _encode(folder / "packbits.tif", photo, cv2.IMWRITE_TIFF_COMPRESSION, 32773)
    for compression in ("ZIP", "PIZ", "RLE", "PXR24", "B44", "DWAA", "NO"):
        _write_exr(folder / f"{compression.lower()}.exr", light, compression)
    _write_exr(folder / "tiled.exr", light, "ZIPS", tiled=True)
    write_picture(folder / "rgb8.dpx", None, photo)
    write_picture(folder / "rgb16.dpx", None, photo.astype(np.float32))


def _encode(path: Path, image: np.ndarray, *parameters: int) -> None:
    order = [2, 1, 0, 3][: image.shape[2]] if image.ndim == 3 else None
    done, data = cv2.imencode(
        path.suffix, image if order is None else image[..., order].copy(), parameters
    )
    assert done
    path.write_bytes(data.tobytes())


def _write_exr(path: Path, light: np.ndarray, compression: str, tiled: bool = False) -> None:
    header = {
        "compression": getattr(OpenEXR, f"{compression}_COMPRESSION"),
        "type": OpenEXR.tiledimage if tiled else OpenEXR.scanlineimage,
    }
    if tiled:
        header["tiles"] = OpenEXR.TileDescription()
        header["tiles"].xSize = header["tiles"].ySize = 16
    channels = {name: light[..., n].astype(np.float16).copy() for n, name in enumerate("RGB")}
    channels["Z"] = light[..., 0].copy()
    OpenEXR.File(header, channels).write(str(path))


def _images(folder: Path) -> None:
    photo = toy_photo(*SMALL)
    for name in ("photo.png", "photo.bmp", "photo.tif"):
        _encode(folder / name, photo)
    _encode(folder / "progressive.jpg", photo, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    _encode(folder / "lossy.webp", photo, cv2.IMWRITE_WEBP_QUALITY, 60)
    _encode(folder / "lossless.webp", photo, cv2.IMWRITE_WEBP_QUALITY, 101)


def _styles(folder: Path) -> None:
    file = toy_file(["alpha", "beta"])
    write_style_file(file, folder / "whole.safetensors")


def _cuts(folder: Path) -> None:
    (folder / "cuts.txt").write_text("12.48\n0:01:02.5 ; comment\n#125\n\n# all of it\n1:02\n")


def _networks(folder: Path) -> None:
    state = toy_vgg(width=1)
    save_file(state, folder / "vgg.safetensors")
    torch.save(state, folder / "vgg.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)


def _checkpoints(folder: Path) -> None:
    state = {"past": np.ones((8, 8, 3), np.float32), "index": np.array(3)}
    Checkpoints(folder).save("abc", Checkpoint(toy_photo(8, 8), (state,)))
