from .errors import (
    DeviceError,
    InputError,
    Interrupted,
    OptionError,
    OutputError,
    StyleError,
    TrainingError,
    VidstyleError,
)
from .frame import (
    ColorTags,
    Frame,
    VideoInfo,
)
from .pipeline import (
    Progress,
    Summary,
    stylize_video,
)
from .styles import (
    Style,
    StyleEntry,
    StyleInfo,
    available_styles,
    load_style,
)
from .stylizers import (
    FastOptions,
    FastStylizer,
)
from .temporal import (
    Motion,
    MotionTracker,
    TemporalMemory,
    TemporalOptions,
)
from .video import (
    ReadOptions,
    VideoReader,
    VideoWriter,
    WriteOptions,
)

__all__ = [
    "ColorTags",
    "DeviceError",
    "FastOptions",
    "FastStylizer",
    "Frame",
    "InputError",
    "Interrupted",
    "Motion",
    "MotionTracker",
    "OptionError",
    "OutputError",
    "Progress",
    "ReadOptions",
    "Style",
    "StyleEntry",
    "StyleError",
    "StyleInfo",
    "Summary",
    "TemporalMemory",
    "TemporalOptions",
    "TrainingError",
    "VideoInfo",
    "VideoReader",
    "VideoWriter",
    "VidstyleError",
    "WriteOptions",
    "available_styles",
    "load_style",
    "stylize_video",
]
__version__: str
