"""How the routes answer: in one place, what holds for each of them, and how a refusal reads.

A refusal is JSON with a sentence for the person at the browser: ``{"error": "voice.wav is not in the input folder."}``.
"""

from __future__ import annotations

import errno
import functools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..core.errors import SoundToVideoError, encodable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# Of every answer: it is of the type that it says, and may be another one the next time.
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

REFUSALS: dict[int, type[web.HTTPException]] = {
    400: web.HTTPBadRequest,
    404: web.HTTPNotFound,
    408: web.HTTPRequestTimeout,
    415: web.HTTPUnsupportedMediaType,
    422: web.HTTPUnprocessableEntity,
    500: web.HTTPInternalServerError,
    501: web.HTTPNotImplemented,
    503: web.HTTPServiceUnavailable,
    507: web.HTTPInsufficientStorage,
}


def refusal(status: int, message: str) -> web.HTTPException:
    """An exception to raise: the given status with ``{"error": message}`` as JSON."""
    return REFUSALS[status](text=_told(message), content_type="application/json")


def too_large(most_bytes: int, message: str) -> web.HTTPException:
    """As ``refusal``, 413."""
    return web.HTTPRequestEntityTooLarge(
        max_size=most_bytes, actual_size=most_bytes + 1, text=_told(message), content_type="application/json"
    )


def _told(message: str) -> str:
    return json.dumps({"error": encodable(message)})


def stream(status: int = 200, **headers: str) -> web.StreamResponse:
    """A response to be written piece by piece; ``Content_Type="audio/wav"`` becomes the header ``Content-Type``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.StreamResponse(status=status, headers={**HEADERS, **named})


@asynccontextmanager
async def sending(request: web.Request, response: web.StreamResponse) -> AsyncIterator[None]:
    """Begin to send ``response``; what fails from then on ends the connection, so that the answer is seen to be cut."""
    await response.prepare(request)
    try:
        yield
    except ConnectionError:  # the listener has gone
        pass
    except Exception as error:
        logging.warning("Sound to Video: %s was cut short: %s", request.path, encodable(str(error)))
        if request.transport:
            request.transport.close()


def answered(handler: Handler) -> Handler:
    """A route's handler that answers whatever is asked of it with ``HEADERS``, and errors with a sentence.

    SoundToVideoError is 422; another ValueError, a body that is not framed as it says, and what the file system takes
    for no name 400; a file that has gone 404. Anything else is a defect of ours: 500, and in the log.
    """

    @functools.wraps(handler)
    async def answering(request: web.Request) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        except Exception as error:
            refused = _refused(request, error)
            refused.headers.update(HEADERS)
            raise refused from error
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return answering


def _refused(request: web.Request, error: Exception) -> web.HTTPException:
    if isinstance(error, SoundToVideoError):
        return refusal(422, str(error))
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return refusal(404, "the file is not there any more.")
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP):
        return refusal(400, f"this cannot be the name of a file: {error.strerror}.")
    if isinstance(error, OSError):
        return refusal(422, f"the file cannot be used: {error.strerror}.")
    if isinstance(error, ValueError | ArithmeticError | HttpProcessingError | web.RequestPayloadError):
        return refusal(400, f"the request cannot be understood: {error}.")
    logging.exception("Sound to Video: %s %s failed", request.method, request.path)
    return refusal(500, "something went wrong on the server. Its log says more.")
