"""What routes answer with, and how they read what they are sent: JSON both ways, errors included."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ..core.errors import UserError
from ..jobs.queue import NotFound

log = logging.getLogger("easel.server")

LARGEST_BODY = 64 << 20  # bytes: a prompt needs thousands, a picture to start from some millions
SENTENCES = {404: "There is nothing at this address.", 405: "This address does not take that method."}


class Json(JSONResponse):
    """JSON in ASCII: text that is not quite text (half a character pair, in an error about it) must not break it."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


async def sent(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body; {} when it is empty. Raises UserError."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"The request is larger than {LARGEST_BODY >> 20} MB.")
    if not body:
        return {}
    try:
        values = json.loads(body)
    except RecursionError as error:
        raise UserError("The request is nested too deeply.") from error
    except ValueError as error:
        raise UserError(f"The request is not valid JSON: {error}.", hint="Send a JSON object.") from error
    if not isinstance(values, dict):
        raise UserError("The request is not a JSON object.", hint='Send something like {"prompt": "a red circle"}.')
    return values


def tell_errors(app: FastAPI) -> None:
    """Has every error answered as {"message", "hint"} with a fitting status."""

    @app.exception_handler(UserError)
    async def user_error(request: Request, error: UserError) -> Response:
        return problem(404 if isinstance(error, NotFound) else 422, error.message, error.hint)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        detail = str(error.detail or "")
        known = SENTENCES.get(error.status_code, "The request was refused.")
        return problem(error.status_code, detail if detail.endswith(".") else known, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong_parameter(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return problem(422, f"{first['loc'][-1]} is {str(first.get('input'))[:60]!r}: {first['msg']}.")

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        return problem(
            500,
            f"Something unexpected went wrong: {type(error).__name__}.",
            "The console of the program has the details.",
        )


def problem(status: int, message: str, hint: str = "", headers: Any = None) -> Response:
    return Json({"message": message, "hint": hint}, status, headers=headers)
