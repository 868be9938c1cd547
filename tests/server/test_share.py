from __future__ import annotations

import pytest

from modules.core.errors import UserError
from modules.server.share import new_password, open_share


def test_passwords_are_random_and_long_enough():
    passwords = {new_password() for _ in range(50)}
    assert len(passwords) == 50
    assert all(len(password) >= 16 for password in passwords)


def test_without_the_internet_a_sentence_says_so(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there: the network is away
    with pytest.raises(UserError, match="A public address could not be had") as refusal:
        open_share(7860)
    assert "The page on this machine goes on." in refusal.value.hint


def test_the_tunnel_leads_to_our_port_on_this_machine(monkeypatch):
    asked = {}

    def setup_tunnel(**options: object) -> str:
        asked.update(options)
        return "https://abc.gradio.live"

    monkeypatch.setattr("gradio.networking.setup_tunnel", setup_tunnel)  # the outside world
    assert open_share(7861) == "https://abc.gradio.live"
    assert (asked["local_host"], asked["local_port"]) == ("127.0.0.1", 7861)
