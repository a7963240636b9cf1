"""``vidstyle web``: the page in the browser."""

from __future__ import annotations

from importlib.util import find_spec

from vidstyle.cli.output import print_error, print_line
from vidstyle.cli.parameters import with_options
from vidstyle.errors import OptionError
from vidstyle.options import WebOptions

LOCAL = ("127.0.0.1", "localhost", "::1")


@with_options
def web(*, options: WebOptions) -> None:
    """Open a page in the browser that does all of this.

    It uses this machine alone: nothing is sent anywhere, and nothing is loaded from elsewhere.
    """
    if find_spec("gradio") is None:
        raise OptionError("the web page needs Gradio: pip install 'vidstyle[web]'")
    if options.host not in LOCAL and options.auth is None:
        print_error(
            f"note: anybody who reaches {options.host} can use it; see --auth USER:PASSWORD"
        )
    from vidstyle.web.startup import no_stubs

    with no_stubs():
        from vidstyle.web.server import serve

    serve(options, lambda url: print_line(f"vidstyle is at {url} (Ctrl-C ends it)"))
