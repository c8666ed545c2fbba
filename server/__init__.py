"""The routes under /sound_to_video/: sound and picture of a file, uploads, and what a choice will become."""

from __future__ import annotations

from aiohttp import web

from .answers import answered


def our_routes() -> list[web.RouteDef]:
    """Every route of the pack, with its handler as it answers (``answers.answered``)."""
    from . import frame_routes, plan_routes, sound_routes, template_routes, upload_routes

    modules = (sound_routes, upload_routes, plan_routes, frame_routes, template_routes)
    tables = [module.routes for module in modules]
    routes = [route for table in tables for route in table if isinstance(route, web.RouteDef)]
    return [web.RouteDef(route.method, route.path, answered(route.handler), route.kwargs) for route in routes]


def register_routes() -> None:
    """Add the routes to the host's server; to be called while it loads its custom nodes."""
    from server import PromptServer  # the host's, not this package

    for route in our_routes():
        PromptServer.instance.routes.route(route.method, route.path)(route.handler)
