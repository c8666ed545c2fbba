"""What queries of the routes say."""

from __future__ import annotations

from fractions import Fraction

from aiohttp import web

from ..core.timeline import exact
from .answers import refusal


def number_asked(request: web.Request, name: str) -> Fraction:
    """A number of the query; 0 where it is not given."""
    text = request.rel_url.query.get(name, "0")
    try:
        return exact(text)
    except (ValueError, ArithmeticError) as error:
        raise refusal(400, f"{name} must be a number, not {text[:40]!r}.") from error


def seconds_asked(request: web.Request, name: str) -> Fraction | None:
    """A time of the query, 0 for one before the beginning; None where it is not given."""
    text = request.rel_url.query.get(name)
    return None if text is None else seconds_of(text, name)


def seconds_of(text: str, name: str) -> Fraction:
    """A time that is written, 0 for one before the beginning."""
    try:
        return max(exact(text), Fraction(0))
    except (ValueError, ArithmeticError) as error:
        raise refusal(400, f"{name} must be a number of seconds, not {text[:40]!r}.") from error
