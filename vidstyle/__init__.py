"""vidstyle turns a video into a moving painting.

>>> import vidstyle
>>> vidstyle.stylize_video("in.mp4", style="scream")
"""

import logging
from importlib.metadata import version

import lazy_loader

# The public names stand in __init__.pyi, and are imported when first used, so that
# `vidstyle --help` need not wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# Programs that want the log give it a handler; without any, Python would print the warnings.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = version("vidstyle")
