"""Serving the page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event

from vidstyle.errors import OutputError
from vidstyle.options import WebOptions
from vidstyle.web.page import build_page
from vidstyle.web.services import Services
from vidstyle.web.theme import style_sheet, theme
from vidstyle.web.webcam import live_script


def serve(options: WebOptions, ready: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        ready: called with the address once the page answers.

    Raises:
        OutputError: the address cannot be listened at.
    """
    with Services(options) as services:
        page = build_page(services)
        page.queue(default_concurrency_limit=None)
        try:
            app, url, _ = page.launch(
                server_name=options.host,
                server_port=options.port,
                auth=options.auth,
                inbrowser=options.open,
                max_file_size=options.max_megabytes * 10**6,
                theme=theme(),
                css=style_sheet(),
                head=live_script(),
                allowed_paths=[str(services.sample.path)],
                share=False,
                run_history=False,
                footer_links=["api"],
                enable_monitoring=False,
                ssr_mode=False,
                quiet=True,
                prevent_thread_lock=True,
            )
        except OSError as error:
            raise OutputError(
                f"{options.host}:{options.port}: cannot be listened at; try another --port"
            ) from error
        try:
            with suppress(KeyboardInterrupt):
                services.cameras.serve(app)
                ready(url)
                services.warm_up()
                Event().wait()
        finally:
            page.close(verbose=False)
