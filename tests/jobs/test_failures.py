from __future__ import annotations

import errno

import pytest

from modules.core.errors import UserError
from modules.core.request import GenerationRequest
from modules.jobs.failures import sentence

REQUEST = GenerationRequest.checked({"width": 2048, "height": 1024})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UserError("Bad.", hint="Mend it."), ("Bad.", "Mend it.")),
        (MemoryError(), ("There is not enough memory for 2048 x 1024.", "Try a smaller size.")),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: 1 bytes"),
            ("There is not enough memory for 2048 x 1024.", "Try a smaller size."),
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "/pictures/a.png"),
            ("The disk is full (/pictures/a.png).", "Free some space, then resubmit the job."),
        ),
        (
            ValueError("first line\nsecond line"),
            ("Something unexpected went wrong: ValueError: first line", "The details are in easel.log."),
        ),
        (KeyError(), ("Something unexpected went wrong: KeyError: no message", "The details are in easel.log.")),
    ],
)
def test_every_failure_has_its_sentence(error, expected):
    assert sentence(error, REQUEST, "easel.log") == expected


def test_without_a_request_missing_memory_is_about_the_model():
    assert sentence(MemoryError(), None, "x")[0] == "There is not enough memory to load this model."
