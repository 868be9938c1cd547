from __future__ import annotations

import pytest

from modules.core.errors import UserError
from modules.server.serve import listen_on


def test_a_taken_port_is_one_sentence():
    first = listen_on("127.0.0.1", 0)
    port = first.getsockname()[1]
    with pytest.raises(UserError, match=f"Port {port} is taken by another program"):
        listen_on("127.0.0.1", port)
    first.close()


def test_the_next_free_port_is_taken_when_several_may_be_tried():
    first = listen_on("127.0.0.1", 0)
    port = first.getsockname()[1]
    second = listen_on("127.0.0.1", port, tries=20)
    assert port < second.getsockname()[1] < port + 20
    first.close()
    second.close()


def test_an_address_of_another_machine_is_one_sentence():
    with pytest.raises(UserError, match=r"192\.0\.2\.1 port 7860 cannot be listened on"):
        listen_on("192.0.2.1", 7860)
