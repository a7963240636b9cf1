"""The part of a tab that a job goes through: it waits, it is at work, and it has ended."""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import gradio as gr

from vidstyle.errors import VidstyleError
from vidstyle.web.jobs import Job
from vidstyle.web.services import QUIET, Services, shown
from vidstyle.web.status import JobView

LOOK_SECONDS = 0.4
"""Between two looks at a job."""


class Outcome(Protocol):
    """The part of a tab for what came of a job.

    Attributes:
        parts: what ``show`` has values for, the whole of it first.
        again: the button that leads back to choosing.
    """

    parts: list[Any]
    again: gr.Button

    def show(self, result: Any) -> list[Any]:
        """Values of ``parts`` for a job's result."""
        ...


class JobPanel:
    """Takes the place of what one chooses with while a job goes on.

    Its job is known to the visitor's browser, which finds it again after a reload.

    Args:
        name: of the tab.
        choosing: the part of the tab that makes room.
        see: what is to be seen of an event of the job.
        stop_words: what the button says that ends a job.
    """

    def __init__(
        self,
        services: Services,
        name: str,
        choosing: gr.Column,
        see: Callable[[Any], JobView],
        stop_words: str = "Cancel, and keep what is finished",
    ) -> None:
        self.services = services
        self._see = see
        self.job = gr.BrowserState("", storage_key=f"vidstyle-{name}-job")
        with gr.Column(visible=False, elem_id=f"{name}-working", elem_classes="vs-flat") as working:
            self._panel = gr.HTML()
            self._cancel = gr.Button(stop_words, elem_id=f"{name}-cancel")
        self._stages = [choosing, working]

    def connect(self, outcome: Outcome) -> None:
        """Let a job end in what is shown of its result."""
        self._outcome = outcome
        self._watched = [*self._stages, self._panel, *outcome.parts, self.job]
        self._hidden = [shown(False), *[gr.skip()] * (len(outcome.parts) - 1)]
        self._cancel.click(self._stop, self.job, None, **QUIET)
        outcome.again.click(self._leave, self.job, self._watched, **QUIET)

    def begin(self, button: gr.Button, submit: Callable[..., str], inputs: Sequence[Any]) -> None:
        """Let a button submit a job, which is then shown; ``submit`` returns its id."""

        def submit_one(current: str, *values: Any) -> str:
            job = self.services.jobs.find(current)
            if job is not None and job.ended is None:
                raise gr.Error("Cancel the one that goes on first.", title="One at a time")
            return submit(*values)

        submitted = button.click(submit_one, [self.job, *inputs], self.job, **QUIET)
        submitted.success(self._watch, self.job, self._watched, **QUIET)

    def leave(self, event: Any) -> None:
        """After an event, go back to choosing, unless a job goes on."""
        event.success(self._leave, self.job, self._watched, **QUIET)

    def resume(self, page: gr.Blocks) -> None:
        """Go on showing a job when its visitor comes back."""
        page.load(self._watch, self.job, self._watched, **QUIET)

    def _leave(self, name: str) -> list[Any]:
        job = self.services.jobs.find(name)
        if job is not None and job.ended is None:
            return [gr.skip()] * len(self._watched)
        return [shown(True), shown(False), gr.skip(), *self._hidden, ""]

    def _stop(self, name: str) -> None:
        if job := self.services.jobs.find(name):
            job.stop()

    async def _watch(self, name: str) -> AsyncIterator[list[Any]]:
        job = self.services.jobs.find(name)
        if job is None:
            yield [*[gr.skip()] * (len(self._watched) - 1), ""]
            return
        while job.ended is None:
            panel = self._view(job).html()
            yield [shown(False), shown(True), panel, *self._hidden, gr.skip()]
            await asyncio.sleep(LOOK_SECONDS)
        yield await asyncio.to_thread(self._ended, job)

    def _view(self, job: Job) -> JobView:
        if job.event is not None:
            return self._see(job.event)
        before = self.services.jobs.place(job)
        if before == 0:
            return JobView("Starting…")
        return JobView(f"Waiting: {before} job{'s' if before > 1 else ''} before yours")

    def _ended(self, job: Job) -> list[Any]:
        """The page with what came of it, or back where it was."""
        problem = job.error
        if job.result is not None:
            try:
                parts = self._outcome.show(job.result)
                return [shown(False), shown(False), gr.skip(), *parts, gr.skip()]
            except VidstyleError as error:
                problem = str(error)
        if problem:
            gr.Warning(html.escape(self.services.without_folders(problem)), title="Sorry")
        else:
            gr.Info("It was stopped before anything of it was finished.", title="Stopped")
        return [shown(True), shown(False), gr.skip(), *self._hidden, ""]
