"""``vidstyle doctor``: what there is on this machine to work with."""

from __future__ import annotations

import typer

ENCODERS = (
    "libx264",
    "libx265",
    "libsvtav1",
    "libvpx-vp9",
    "prores_ks",
    "ffv1",
    "h264_nvenc",
    "hevc_nvenc",
    "av1_nvenc",
    "h264_qsv",
    "h264_videotoolbox",
)


def doctor() -> None:
    """Print versions, devices, the precision that would be picked, encoders, and places."""
    import platform

    import av
    import cv2
    import torch

    from vidstyle import __version__
    from vidstyle.device import (
        list_devices,
        pick_backend,
        pick_device,
        pick_precision,
        precision_name,
    )
    from vidstyle.styles.registry import style_files, user_styles_dir
    from vidstyle.video.probe import encoder_opens

    def line(name: str, value: object) -> None:
        typer.echo(f"{name:<10} {value}")

    line("vidstyle", __version__)
    line("python", f"{platform.python_version()} on {platform.platform()}")
    line("torch", torch.__version__)
    line("av", f"{av.__version__}, FFmpeg {av.ffmpeg_version_info}")
    line("opencv", cv2.__version__)
    for name, about in list_devices():
        line(name, about)
    device = pick_device()
    precision = pick_precision("auto", device)
    backend = pick_backend("auto", device, precision)
    line("picked", f"{device}, {precision_name(precision)}, {backend}")
    opens = [name for name in ENCODERS if encoder_opens(name)]
    line("encoders", ", ".join(opens) or "none")
    line("not here", ", ".join(name for name in ENCODERS if name not in opens) or "-")
    for path in style_files():
        line("styles", path)
    line("your own", f"{user_styles_dir()} (VIDSTYLE_STYLES changes it)")
    line("caches", torch.hub.get_dir())
