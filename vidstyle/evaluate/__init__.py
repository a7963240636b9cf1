"""Measures a stylized video against its original: how steady, how detailed, how well in time."""

from vidstyle.evaluate.compare import evaluate
from vidstyle.evaluate.evaluation import Evaluation, Steadiness
from vidstyle.evaluate.plots import write_plot
from vidstyle.evaluate.report import report

__all__ = ["Evaluation", "Steadiness", "evaluate", "report", "write_plot"]
