"""Cameras of visitors: each sends its newest picture, and gets it back painted."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import cv2
import numpy as np
from fastapi import FastAPI, Request, Response

from vidstyle.errors import InputError, VidstyleError
from vidstyle.headers import check_header
from vidstyle.options import FastOptions
from vidstyle.web.catalog import check_style
from vidstyle.web.jobs import BusyError

if TYPE_CHECKING:
    from vidstyle.live import LiveStylizer

MOST_CAMERAS = 4
IDLE_SECONDS = 30.0
MOST_BYTES = 2**20
MOST_PIXELS = 2**20
WORKING_SIDE = 480


class Camera:
    """One visitor's camera.

    Attributes:
        used: when the last picture came, on the clock of ``time.monotonic``.
    """

    def __init__(self, style: str, strength: float) -> None:
        from vidstyle.live import LiveStylizer

        self.stylizer: LiveStylizer = LiveStylizer(
            style, fast=FastOptions(strength=strength), working_side=WORKING_SIDE
        )
        self.used = time.monotonic()
        self._painting = Lock()

    def paint(self, data: bytes) -> bytes:
        """A JPEG file of a picture, painted as a JPEG file.

        Raises:
            InputError: it is no picture, or too large a one.
        """
        self.used = time.monotonic()
        check_header(Path("picture"), data, MOST_PIXELS)
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise InputError("the picture of the camera is damaged")
        with self._painting:
            painting = self.stylizer(image)
        _, result = cv2.imencode(".jpg", painting[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
        return result.tobytes()


class Cameras:
    """All cameras, each by a name that its visitor alone knows."""

    def __init__(self) -> None:
        self._cameras: dict[str, Camera] = {}
        self._changing = Lock()

    def open(self, style: str, strength: float) -> str:
        """The name of a new camera.

        Raises:
            BusyError: as many as the machine can serve are at work.
            StyleError: unknown.
        """
        check_style(style)
        self.sweep()
        with self._changing:
            if len(self._cameras) >= MOST_CAMERAS:
                raise BusyError(
                    f"{MOST_CAMERAS} cameras are at work already; please try again later"
                )
            name = secrets.token_urlsafe(16)
            self._cameras[name] = Camera(style, strength)
        return name

    def find(self, name: str | None) -> Camera | None:
        """The camera of a name, as long as it is at work."""
        return self._cameras.get(name or "")

    def close(self, name: str) -> None:
        """End a camera's work."""
        if camera := self._cameras.pop(name, None):
            camera.stylizer.close()

    def sweep(self, seconds: float = IDLE_SECONDS) -> None:
        """Close the cameras that have sent nothing for some time."""
        oldest = time.monotonic() - seconds
        for name, camera in list(self._cameras.items()):
            if camera.used < oldest:
                self.close(name)

    def serve(self, app: FastAPI) -> None:
        """Let a server answer ``POST vidstyle/live/NAME``, which has a picture as its body."""

        @app.post("/vidstyle/live/{name}", include_in_schema=False)
        async def paint(name: str, request: Request) -> Response:
            camera = self.find(name)
            if camera is None:
                return Response("The camera was closed; start it again.", 404)
            if int(request.headers.get("content-length", MOST_BYTES + 1)) > MOST_BYTES:
                return Response("The picture is too large.", 413)
            try:
                painted = await asyncio.to_thread(camera.paint, await request.body())
            except VidstyleError as error:
                return Response(str(error), 400)
            return Response(painted, media_type="image/jpeg")
