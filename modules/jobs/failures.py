"""What a failed job tells its owner: one sentence about what happened, and what to do."""

from __future__ import annotations

import errno
import logging

from ..core.errors import UserError
from ..core.request import GenerationRequest

log = logging.getLogger("easel.jobs")

FULL = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)


def sentence(error: BaseException, request: GenerationRequest | None, log: str) -> tuple[str, str]:
    """Message and hint for an exception that ended a job (or, without a request, the opening of engine or model).

    `log` says where the traceback can be read.
    """
    if isinstance(error, UserError):
        return error.message, error.hint
    if _out_of_memory(error):
        return _memory_sentence(request)
    if isinstance(error, OSError) and error.errno in FULL:
        place = f" ({error.filename})" if error.filename else ""
        return f"The disk is full{place}.", "Free some space, then resubmit the job."
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"Something unexpected went wrong: {type(error).__name__}: {first[:300]}", f"The details are in {log}."


def note(error: BaseException, what: str, *details: object) -> None:
    """Writes a failure to the log: in a line when the user can mend it, with its traceback when it is a surprise."""
    if isinstance(error, UserError):
        log.warning(f"{what} %s", *details, error)
    else:
        log.error(what, *details, exc_info=error)


def _out_of_memory(error: BaseException) -> bool:
    """Recognised by name and text: torch, whose exceptions these are, is not imported here."""
    if isinstance(error, MemoryError) or type(error).__name__.endswith("OutOfMemoryError"):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _memory_sentence(request: GenerationRequest | None) -> tuple[str, str]:
    if request is None:
        return "There is not enough memory to load this model.", "Close other programs, or choose a smaller model."
    batch = f" in batches of {request.batch_size}" if request.batch_size > 1 else ""
    advice = "Try a smaller size or batch." if batch else "Try a smaller size."
    return f"There is not enough memory for {request.width} x {request.height}{batch}.", advice
