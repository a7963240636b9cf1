"""Stylizers turn pictures into stylized pictures."""

from vidstyle.stylizers.base import Stylizer
from vidstyle.stylizers.fast import FastOptions, FastStylizer

__all__ = ["FastOptions", "FastStylizer", "Stylizer"]
