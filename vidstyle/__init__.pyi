from .errors import (
    DeviceError,
    InputError,
    Interrupted,
    OptimizationError,
    OptionError,
    OutputError,
    StyleError,
    TrainingError,
    VidstyleError,
    WeightsError,
)
from .frame import (
    ColorTags,
    Frame,
    VideoInfo,
)
from .optimized import (
    VideoOptions,
    optimize_video,
)
from .pipeline import (
    Progress,
    Summary,
    stylize_video,
)
from .sequences.clip import (
    ClipOptions,
    stylize_clip,
)
from .sequences.run import (
    FrameOptions,
    stylize_frames,
)
from .styles import (
    Style,
    StyleEntry,
    StyleInfo,
    available_styles,
    load_style,
)
from .stylizers import (
    Anchor,
    FastOptions,
    FastStylizer,
    Losses,
    OptimizeOptions,
    OptimizeStylizer,
    Recipe,
    Step,
    find_recipe,
    reconstruct,
    synthesize_texture,
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
    "Anchor",
    "ClipOptions",
    "ColorTags",
    "DeviceError",
    "FastOptions",
    "FastStylizer",
    "Frame",
    "FrameOptions",
    "InputError",
    "Interrupted",
    "Losses",
    "Motion",
    "MotionTracker",
    "OptimizationError",
    "OptimizeOptions",
    "OptimizeStylizer",
    "OptionError",
    "OutputError",
    "Progress",
    "ReadOptions",
    "Recipe",
    "Step",
    "Style",
    "StyleEntry",
    "StyleError",
    "StyleInfo",
    "Summary",
    "TemporalMemory",
    "TemporalOptions",
    "TrainingError",
    "VideoInfo",
    "VideoOptions",
    "VideoReader",
    "VideoWriter",
    "VidstyleError",
    "WeightsError",
    "WriteOptions",
    "available_styles",
    "find_recipe",
    "load_style",
    "optimize_video",
    "reconstruct",
    "stylize_clip",
    "stylize_frames",
    "stylize_video",
    "synthesize_texture",
]
__version__: str
