"""Video files in and out, through PyAV."""

from vidstyle.video.decode import ReadOptions, VideoReader
from vidstyle.video.encode import VideoWriter, WriteOptions, partial_path
from vidstyle.video.prefetch import BackgroundSink, Prefetch

__all__ = [
    "BackgroundSink",
    "Prefetch",
    "ReadOptions",
    "VideoReader",
    "VideoWriter",
    "WriteOptions",
    "partial_path",
]
