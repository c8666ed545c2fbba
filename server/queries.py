"""What queries of the routes say."""

from __future__ import annotations

from fractions import Fraction

from aiohttp import web

from ..core.timeline import exact
from .answers import refusal


def number_asked(request: web.Request, name: str) -> Fraction:
    """A number of the query; 0 where it is not given."""
    return _number(request.rel_url.query.get(name, "0"), name, "a number")


def seconds_asked(request: web.Request, name: str) -> Fraction | None:
    """A time of the query, 0 for one before the beginning; None where it is not given."""
    text = request.rel_url.query.get(name)
    return None if text is None else seconds_of(text, name)


def seconds_of(text: str, name: str) -> Fraction:
    """A time that is written, 0 for one before the beginning."""
    return max(_number(text, name, "a number of seconds"), Fraction(0))


def _number(text: str, name: str, what: str) -> Fraction:
    try:
        return exact(text)
    except (ValueError, ArithmeticError) as error:
        raise refusal(400, f"{name} must be {what}, not {text[:40]!r}.") from error
