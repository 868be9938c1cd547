from __future__ import annotations

import base64

import pytest

from modules.server.gate import Gate
from modules.server.gatekeeper import FREE_GUESSES, Guesses

LOCAL = {"host": "localhost:7860"}


def refused(gate: Gate, headers: dict[str, str], method: str = "GET", path: str = "/", websocket: bool = False) -> int:
    """The status of the refusal; 0 when the request is let in."""
    refusal = gate.refusal(method, path, headers, websocket)
    return refusal.status if refusal else 0


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST:1", "localhost."]
)
def test_this_machine_is_let_in_under_its_own_names(host):
    assert refused(Gate(), {"host": host}) == 0


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:7860",  # DNS rebinding: a foreign name that points here
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@localhost",
        "192.168.1.5:7860",
        "0.0.0.0:7860",
        "[::ffff:1]",
        "[broken",
        "",
    ],
)
def test_other_names_are_refused(host):
    expected = 0 if host == "evil.example@localhost" else 421  # a browser never sends that; the host in it is ours
    assert refused(Gate(), {"host": host}) == expected


def test_a_request_without_a_host_is_refused():
    assert refused(Gate(), {}) == 421


def test_listening_lets_addresses_in_but_no_names_except_those_given():
    gate = Gate(hosts=frozenset({"mybox.lan"}), listen=True)
    assert refused(gate, {"host": "192.168.1.5:7860"}) == 0
    assert refused(gate, {"host": "[fe80::1]:7860"}) == 0
    assert refused(gate, {"host": "mybox.lan:7860"}) == 0
    assert refused(gate, {"host": "evil.example"}) == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:3000"},  # something else on this machine
        {"origin": "null"},
        {"origin": "http://[broken"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost:7860", "sec-fetch-site": "cross-site"},
    ],
)
def test_another_site_cannot_change_anything(method, headers):
    assert refused(Gate(), {**LOCAL, **headers}, method, "/api/jobs") == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:7860"},
        {"origin": "http://localhost:7860", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_page_and_scripts_can(headers):
    assert refused(Gate(), {**LOCAL, **headers}, "POST", "/api/jobs") == 0


def test_default_ports_need_not_be_written():
    gate = Gate(hosts=frozenset({"me.example"}))
    assert refused(gate, {"host": "me.example", "origin": "https://me.example"}, "POST") == 0
    assert refused(gate, {"host": "me.example:443", "origin": "https://me.example"}, "POST") == 0
    assert refused(gate, {"host": "me.example:8443", "origin": "https://me.example"}, "POST") == 403


def test_another_site_cannot_embed_pictures_or_read_the_api_but_may_link_to_the_page():
    crossing = {**LOCAL, "sec-fetch-site": "cross-site"}
    assert (
        refused(Gate(), {**crossing, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, path="/pictures/1") == 403
    )
    assert refused(Gate(), {**crossing, "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}, path="/api/jobs") == 403
    assert refused(Gate(), {**crossing, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}) == 403
    assert refused(Gate(), {**crossing, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}) == 0
    following = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert refused(Gate(), {**crossing, **following}, "POST") == 403


def test_websockets_need_our_own_origin():
    assert refused(Gate(), {**LOCAL, "origin": "https://evil.example"}, websocket=True) == 403
    assert refused(Gate(), {**LOCAL, "origin": "http://localhost:7860"}, websocket=True) == 0
    assert refused(Gate(), {"host": "evil.example", "origin": "http://evil.example"}, websocket=True) == 421


@pytest.mark.parametrize("prefix", ["", "/gradio_api"])
def test_gradio_reads_files_from_its_cache_only(tmp_path, prefix):
    cache = tmp_path / "gradio"
    cache.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (cache / "link").symlink_to(tmp_path / "secret.txt")
    gate = Gate(gradio_files=cache)
    assert refused(gate, LOCAL, path=f"{prefix}/file={cache}/abc/picture.png") == 0
    for path in (
        "/etc/passwd",
        f"{cache}/../secret.txt",
        f"{cache}/link",
        "relative.txt",
        "../secret.txt",
        "https://evil.example/x",
        f"{cache}\0",
        "",
    ):
        assert refused(gate, LOCAL, path=f"{prefix}/file={path}") == 403, path
        assert refused(gate, LOCAL, path=f"{prefix}/file/{path}") == 403, path
    assert refused(Gate(), LOCAL, path=f"{prefix}/file={cache}/abc/picture.png") == 403


@pytest.mark.parametrize(
    "path", ["proxy=https://evil.example", "vibe-edit/", "dev/reload", "process_recording", "monitoring"]
)
def test_routes_of_gradio_that_the_page_never_uses_are_not_there(path):
    assert refused(Gate(), LOCAL, path=f"/gradio_api/{path}") == 404
    assert refused(Gate(), LOCAL, path="/gradio_api/queue/join") == 0


HERE = "127.0.0.1"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_the_share_asks_strangers_for_the_password_and_nobody_at_home():
    gate = Gate(password="geheim", share=True)
    assert not gate.asks_password(LOCAL, HERE)
    assert gate.asks_password({"host": "abc.gradio.live"}, HERE)
    assert gate.asks_password(LOCAL, "192.168.1.9")  # from another machine, claiming to be local
    assert refused(gate, {"host": "abc.gradio.live"}) == 0
    for sign in ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded"):
        assert gate.asks_password({**LOCAL, sign: "1.2.3.4"}, HERE), sign  # through the tunnel, claiming to be local


def test_a_password_for_everybody_is_asked_at_home_too():
    assert Gate(password="geheim", ask_everybody=True).asks_password(LOCAL, HERE)
    assert not Gate(listen=True).asks_password({"host": "192.168.1.5"}, "192.168.1.9")


def test_a_gate_that_is_open_to_everybody_needs_a_password():
    with pytest.raises(ValueError, match="password"):
        Gate(share=True)
    with pytest.raises(ValueError, match="password"):
        Gate(share=True, password="")


@pytest.mark.parametrize(
    ("authorization", "known"),
    [
        (basic("easel", "gehéim"), True),
        (basic("anybody", "gehéim"), True),
        (basic("easel", "wrong"), False),
        (basic("easel", ""), False),
        ("Basic !!!", False),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), False),
        ("Bearer gehéim", False),
        ("", False),
    ],
)
def test_only_the_right_password_is_known(authorization, known):
    assert Gate(password="gehéim", share=True).knows(authorization) is known


def test_a_user_that_was_chosen_must_be_right_too():
    gate = Gate(password="a:b", user="me", ask_everybody=True)
    assert gate.knows(basic("me", "a:b"))
    assert not gate.knows(basic("you", "a:b"))


def test_without_a_password_nothing_is_known():
    assert not Gate().knows(basic("", ""))


def test_wrong_passwords_bar_an_address_for_longer_and_longer_and_others_not_at_all():
    clock = [0.0]
    guesses = Guesses(lambda: clock[0])
    for _ in range(FREE_GUESSES - 1):
        guesses.wrong("a")
        assert guesses.seconds_barred("a") == 0
    waits = []
    for _ in range(10):
        guesses.wrong("a")
        waits.append(guesses.seconds_barred("a"))
        clock[0] += waits[-1]
        assert guesses.seconds_barred("a") == 0
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert guesses.seconds_barred("b") == 0
    guesses.right("a")
    guesses.wrong("a")
    assert guesses.seconds_barred("a") == 0


def test_addresses_that_guessed_do_not_fill_the_memory():
    guesses = Guesses()
    for number in range(5000):
        guesses.wrong(str(number))
    assert len(guesses._wrong) <= 1000
