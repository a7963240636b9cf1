"""Gradient descent on a picture: the optimizers, and progress reports."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from vidstyle.errors import OptimizationError
from vidstyle.options.optimization import OptimizerName

HISTORY = 10
"""Updates that L-BFGS remembers. 5 to 100 ended within 0.3 % of one another after 200 iterations,
and each costs two pictures of memory."""
ADAM_RATE = 0.02
"""Best of 0.005 to 0.05, colours in [0, 1]."""
FIRST_MOVE = 0.003
"""Mean change of a colour in L-BFGS's first update, before it knows any curvature."""
WINDOW = 10
"""Iterations over which ``tolerance`` looks for progress."""


@dataclass(frozen=True)
class Losses:
    """The weighted terms of the loss."""

    content: float
    style: float
    tv: float
    temporal: float = 0.0
    photorealism: float = 0.0

    @property
    def total(self) -> float:
        return self.content + self.style + self.tv + self.temporal + self.photorealism


@dataclass(frozen=True)
class Step:
    """One iteration has finished.

    Attributes:
        iteration: counted from 1 over all scales.
        total: number of iterations planned; a scale may end earlier.
        scale: counted from 1, the smallest.
        losses: losses of the picture.
        seconds: time since the start.
        picture: makes the picture that the losses belong to, RGB uint8 H×W×3 at the size of the
            scale. Keeping a step keeps the memory of its picture.
    """

    iteration: int
    total: int
    scale: int
    scales: int
    losses: Losses
    seconds: float
    picture: Callable[[], np.ndarray]


Listener = Callable[[Step], None]


def ignore(step: Step) -> None:
    """A listener that does nothing."""


@dataclass
class Reporter:
    """Counts iterations over all scales and tells the listener about each."""

    listener: Listener
    total: int
    scales: int
    scale: int = 0
    iteration: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __call__(self, losses: Losses, picture: Callable[[], np.ndarray]) -> None:
        self.iteration += 1
        seconds = time.perf_counter() - self.began
        self.listener(
            Step(self.iteration, self.total, self.scale, self.scales, losses, seconds, picture)
        )


@dataclass(frozen=True)
class Plan:
    """How to optimize; see ``OptimizeOptions`` for the meaning of each field."""

    optimizer: OptimizerName
    learning_rate: float | None
    iterations: int
    tolerance: float


class Descent:
    """Takes a picture to one of lower loss.

    One iteration evaluates the loss and its gradient, then updates the picture.

    Args:
        objective: maps a picture, 1×3×H×W with colours in [0, 1], to its loss terms by name.
        finish: makes a uint8 H×W×3 picture of it.
        report: called after every evaluation.
    """

    def __init__(
        self,
        objective: Callable[[Tensor], Mapping[str, Tensor]],
        plan: Plan,
        finish: Callable[[Tensor], np.ndarray],
        report: Callable[[Losses, Callable[[], np.ndarray]], None],
    ) -> None:
        self.objective = objective
        self.plan = plan
        self.finish = finish
        self.report = report
        self.unit = 1.0
        """The optimizer's variable times this is the picture."""
        self.first = 1.0
        """The loss at the start."""
        self.lowest = math.inf
        self.best: Tensor | None = None
        self.recent: deque[float] = deque(maxlen=WINDOW + 1)
        """The lowest loss so far, after each of the last iterations."""

    def __call__(self, start: Tensor) -> Tensor:
        """The evaluated picture with the lowest loss; the last update is not evaluated.

        Raises:
            OptimizationError: the loss became NaN or infinite; carries the best picture so far.
        """
        if self.plan.optimizer == "lbfgs":
            # L-BFGS's first update has an L1 norm of 1, whatever the loss; scale it to be visible.
            self.unit = FIRST_MOVE * start.numel()
        variable = (start.detach().contiguous() / self.unit).requires_grad_()
        optimizer = _optimizer(variable, self.plan)
        for _ in range(self.plan.iterations):
            optimizer.step(lambda: self._evaluate(variable))
            if self._stalled():
                break
        assert self.best is not None
        return self.best

    def _evaluate(self, variable: Tensor) -> float:
        """The loss relative to the first one; sets the variable's gradient."""
        variable.grad = None
        x = (variable * self.unit).contiguous(memory_format=torch.channels_last)
        terms = self.objective(x)
        losses = Losses(**{name: term.item() for name, term in terms.items()})
        if not math.isfinite(losses.total):
            raise OptimizationError(
                f"the loss became {losses.total:g}; lower the learning rate or the weights, "
                "or use --precision fp32",
                None if self.best is None else self.finish(self.best),
            )
        picture = x.detach()
        if self.best is None:
            self.first = losses.total or 1.0
        if self.best is None or losses.total < self.lowest:
            self.lowest, self.best = losses.total, picture
        self.recent.append(self.lowest)
        # About 1, because L-BFGS compares curvatures with an absolute threshold.
        share = torch.stack(list(terms.values())).sum() / self.first
        share.backward()
        self.report(losses, lambda: self.finish(picture))
        return share.item()

    def _stalled(self) -> bool:
        if not self.plan.tolerance or len(self.recent) <= WINDOW:
            return False
        return self.recent[0] - self.recent[-1] < self.plan.tolerance * self.recent[0]


def _optimizer(variable: Tensor, plan: Plan) -> torch.optim.Optimizer:
    if plan.optimizer == "adam":
        return torch.optim.Adam([variable], lr=plan.learning_rate or ADAM_RATE)
    # One evaluation and one update per step, no tolerances, and no line search: strong Wolfe
    # accepted its first step length in all of 200 iterations, which gives the same result.
    return torch.optim.LBFGS(
        [variable],
        lr=plan.learning_rate or 1.0,
        max_iter=1,
        history_size=HISTORY,
        tolerance_grad=0,
        tolerance_change=0,
    )
