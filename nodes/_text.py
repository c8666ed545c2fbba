"""Text shown on a node while it runs."""

from __future__ import annotations

from collections.abc import Callable

from server import PromptServer

from ..core.errors import encodable


def text_on_node(unique_id: str | None) -> Callable[[str], None]:
    """Shows text on the running node in the browser that runs the prompt; nowhere when there is none."""

    def say(text: str) -> None:
        server = getattr(PromptServer, "instance", None)
        client = getattr(server, "client_id", None)
        if server is not None and client is not None and unique_id is not None:
            server.send_progress_text(encodable(text), unique_id, client)

    return say
