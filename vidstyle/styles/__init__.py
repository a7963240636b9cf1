"""Styles: the registry, and the files they live in."""

import lazy_loader

# As in the package itself: the names stand in __init__.pyi, and a list of styles needs no torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
