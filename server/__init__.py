"""The routes under /sound_to_video/: peaks, beats and sound of a file, uploads, and what a choice will become."""

from __future__ import annotations

from aiohttp import web


def register_routes() -> None:
    """Add the routes to the host's server; to be called while it loads its custom nodes."""
    from server import PromptServer  # the host's, not this package

    from . import plan_routes, sound_routes, upload_routes

    for table in (sound_routes.routes, upload_routes.routes, plan_routes.routes):
        for route in table:
            assert isinstance(route, web.RouteDef)
            PromptServer.instance.routes.route(route.method, route.path)(route.handler)
