"""How the optimization engine goes down: the optimizers, and what is told on the way."""

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
"""Moves that L-BFGS remembers. 5 to 100 ended within 0.3 % of one another after 200 iterations, and
each costs two pictures of memory."""
ADAM_RATE = 0.02
"""Best of 0.005 to 0.05, colours in [0, 1]."""
FIRST_MOVE = 0.003
"""Mean change of a colour in L-BFGS's first move, when it knows no curvature yet."""
WINDOW = 10
"""Iterations over which ``tolerance`` looks for progress."""


@dataclass(frozen=True)
class Losses:
    """The terms of the loss, each with its weight in it."""

    content: float
    style: float
    tv: float
    temporal: float = 0.0

    @property
    def total(self) -> float:
        return self.content + self.style + self.tv + self.temporal


@dataclass(frozen=True)
class Step:
    """One iteration is done.

    Attributes:
        iteration: from 1, over all scales.
        total: as many as there will be, unless a scale ends early.
        scale: from 1, the smallest.
        losses: of the picture.
        seconds: since the beginning.
        picture: makes the picture that the losses belong to, RGB uint8 H×W×3 of the scale's size.
            A kept step keeps the picture's memory.
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
    """The listener that does nothing."""


@dataclass
class Reporter:
    """Counts iterations over all scales and tells the listener of each."""

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
    """How to go; ``OptimizeOptions`` has the meaning of each."""

    optimizer: OptimizerName
    learning_rate: float | None
    iterations: int
    tolerance: float


class Descent:
    """Goes from a picture to one of lower loss.

    One iteration is one evaluation of the loss with its gradient, and a move.

    Args:
        objective: a picture, 1×3×H×W with colours in [0, 1], to the terms of its loss by name.
        finish: makes a picture to show of it, uint8 H×W×3.
        report: told of every evaluation.
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
        """What the optimizer's variable is multiplied by to be a picture."""
        self.first = 1.0
        """The loss at the start."""
        self.lowest = math.inf
        self.best: Tensor | None = None
        self.course: deque[float] = deque(maxlen=WINDOW + 1)
        """The lowest loss so far, after each of the last iterations."""

    def __call__(self, start: Tensor) -> Tensor:
        """The picture of the lowest loss among those met on the way; the last move is not met.

        Raises:
            OptimizationError: the loss is no number any more; it has the best picture so far.
        """
        if self.plan.optimizer == "lbfgs":
            # Its first move has an L1 norm of 1, whatever the loss: let that be one that shows.
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
        """The loss as a share of the first; leaves its gradient at the variable."""
        variable.grad = None
        x = (variable * self.unit).contiguous(memory_format=torch.channels_last)
        terms = self.objective(x)
        losses = Losses(**{name: term.item() for name, term in terms.items()})
        if not math.isfinite(losses.total):
            raise OptimizationError(
                "the loss is no number any more; lower the learning rate or the weights, "
                "or compute in fp32",
                None if self.best is None else self.finish(self.best),
            )
        picture = x.detach()
        if self.best is None:
            self.first = losses.total or 1.0
        if self.best is None or losses.total < self.lowest:
            self.lowest, self.best = losses.total, picture
        self.course.append(self.lowest)
        # Of order 1, as L-BFGS compares curvatures with an absolute threshold.
        share = torch.stack(list(terms.values())).sum() / self.first
        share.backward()
        self.report(losses, lambda: self.finish(picture))
        return share.item()

    def _stalled(self) -> bool:
        if not self.plan.tolerance or len(self.course) <= WINDOW:
            return False
        return self.course[0] - self.course[-1] < self.plan.tolerance * self.course[0]


def _optimizer(variable: Tensor, plan: Plan) -> torch.optim.Optimizer:
    if plan.optimizer == "adam":
        return torch.optim.Adam([variable], lr=plan.learning_rate or ADAM_RATE)
    # One evaluation and one move a step, and no tolerances of its own. Its line search (strong
    # Wolfe) took the first length it tried in all of 200 iterations: the same course.
    return torch.optim.LBFGS(
        [variable],
        lr=plan.learning_rate or 1.0,
        max_iter=1,
        history_size=HISTORY,
        tolerance_grad=0,
        tolerance_change=0,
    )
