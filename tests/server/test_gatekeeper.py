from __future__ import annotations

import pytest
from fastapi import WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from modules.server.gate import Gate
from modules.server.gatekeeper import FREE_GUESSES
from modules.server.routes import build_app


@pytest.fixture
def client(studio):
    """A client of an app with an extension's route, mount and websocket added after the gate was put up."""

    def client(gate: Gate, address: str = "http://localhost:7860", **options: object) -> TestClient:
        app = build_app(studio, gate)

        @app.websocket("/ext/socket")
        async def socket(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.send_text("hello")
            await websocket.close()

        @app.get("/ext/framed")
        def framed() -> dict:
            return {}

        return TestClient(app, base_url=address, **{"client": ("127.0.0.1", 50_000), **options})

    return client


def test_a_rebound_name_gets_a_sentence_instead_of_the_api(client):
    answer = client(Gate(), "http://evil.example:7860").get("/api/jobs")
    assert answer.status_code == 421
    assert "evil.example" in answer.json()["message"]
    assert "--host-name" in answer.json()["hint"]


def test_another_site_queues_nothing(client, studio):
    answer = client(Gate()).post("/api/jobs", json={"prompt": "x"}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert answer.json()["message"] == "Another website sent this request, so it was refused."
    assert studio.jobs() == []


def test_the_gate_stands_before_routes_that_were_added_later(client):
    strange = client(Gate(), "http://evil.example")
    assert strange.get("/ext/framed").status_code == 421
    assert strange.get("/no/such/route").status_code == 421
    with pytest.raises(WebSocketDisconnect), strange.websocket_connect("ws://evil.example/ext/socket"):
        pass


def test_a_websocket_of_another_site_is_refused_and_ours_is_not(client):
    ours = client(Gate())
    address, evil = "ws://localhost:7860/ext/socket", {"Origin": "https://evil.example"}
    with pytest.raises(WebSocketDisconnect) as refusal, ours.websocket_connect(address, headers=evil):
        pass
    assert refusal.value.code == 1008
    with ours.websocket_connect(
        "ws://localhost:7860/ext/socket", headers={"Origin": "http://localhost:7860"}
    ) as socket:
        assert socket.receive_text() == "hello"


def test_every_answer_carries_the_protecting_headers(client):
    for answer in (client(Gate()).get("/api/jobs"), client(Gate(), "http://evil.example").get("/")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_share_lets_strangers_in_with_the_password_only(client):
    stranger = client(Gate(password="geheim", share=True), "https://abc.gradio.live")
    asked = stranger.get("/api/jobs")
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic ")
    assert stranger.get("/api/jobs", auth=("easel", "falsch")).status_code == 401
    assert stranger.get("/api/jobs", auth=("easel", "geheim")).status_code == 200
    answer = stranger.post(
        "/api/jobs", json={}, auth=("easel", "geheim"), headers={"Origin": "https://evil.gradio.live"}
    )
    assert answer.status_code == 403


def test_the_share_needs_no_password_at_home_but_through_the_tunnel(client):
    home = client(Gate(password="geheim", share=True))
    assert home.get("/api/jobs").status_code == 200
    assert home.get("/api/jobs", headers={"X-Forwarded-For": "1.2.3.4"}).status_code == 401


def test_guessing_is_slowed_down_by_the_clients_address(client):
    def guess(password: str, address: str) -> int:
        return stranger.get("/api/jobs", auth=("easel", password), headers={"X-Forwarded-For": address}).status_code

    stranger = client(Gate(password="geheim", share=True), "https://abc.gradio.live", client=("127.0.0.1", 5000))
    assert [guess(str(number), "9.9.9.9, 1.2.3.4") for number in range(FREE_GUESSES)] == [401] * FREE_GUESSES
    assert guess("geheim", "1.2.3.4") == 429
    assert guess("geheim", "5.6.7.8") == 200


def test_a_client_cannot_claim_another_address_to_guess_on(client):
    neighbour = client(Gate(password="geheim", ask_everybody=True, listen=True), client=("192.168.1.9", 5000))
    answers = [
        neighbour.get("/api/jobs", auth=("easel", "x"), headers={"X-Forwarded-For": str(number)}).status_code
        for number in range(FREE_GUESSES + 1)
    ]
    assert answers == [401] * FREE_GUESSES + [429]
