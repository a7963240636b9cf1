"""A virtual camera for video calls and OBS; needs the extra ``[virtualcam]``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from vidstyle.errors import OptionError, OutputError
from vidstyle.live.sinks.base import Sink, SinkFormat, even

if TYPE_CHECKING:
    from vidstyle.live.source import LiveFrame

_REMEDIES = {
    "linux": "load v4l2loopback: sudo modprobe v4l2loopback exclusive_caps=1 card_label=vidstyle",
    "darwin": "install OBS, start its virtual camera once, and quit OBS",
    "win32": "install OBS, or UnityCapture",
}


class VirtualCamera(Sink):
    """Shows the frames as a webcam.

    Args:
        device: ``/dev/video3`` or a name; None takes the first one that is free.
    """

    def __init__(self, device: str | None = None) -> None:
        self.name = f"camera:{device}" if device else "camera"
        self.device = device
        self._camera: Any = None

    def open(self, format: SinkFormat) -> None:
        """Raises OptionError without pyvirtualcam, OutputError without a device."""
        try:
            import pyvirtualcam
        except ImportError as error:
            raise OptionError(
                f"{self.name}: needs pyvirtualcam; pip install 'vidstyle[virtualcam]'"
            ) from error
        width, height = format.even_size
        try:
            self._camera = pyvirtualcam.Camera(width, height, format.rate, device=self.device)
        except RuntimeError as error:
            remedy = _REMEDIES.get(sys.platform, "see pyvirtualcam's documentation")
            raise OutputError(
                f"{self.name}: no virtual camera accepts {width}×{height}; {remedy} ({error})"
            ) from error

    def write(self, frame: LiveFrame) -> None:
        try:
            self._camera.send(even(frame.image))
        except RuntimeError as error:
            raise OutputError(f"{self.name}: the camera is gone ({error})") from error

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
