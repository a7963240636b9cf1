"""Styles: the registry and the style files."""

import lazy_loader

# Lazy like the package itself: the names are in __init__.pyi, and listing styles needs no torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
