"""The history as a collection, over HTTP."""

from __future__ import annotations

import numpy
import pytest
from starlette.testclient import TestClient

from modules.imaging.save import encode
from modules.server.gate import Gate
from modules.server.routes import build_app
from tests.jobs.painting import finished, until

HERE = ("127.0.0.1", 5000)


@pytest.fixture
def made(studio) -> list[dict]:
    """Ids of pictures of a cat, a dog and a cat again."""
    ids = []
    for prompt in ("a cat", "a dog", "another cat"):
        job = studio.submit({"prompt": prompt, "steps": 1, "width": 64, "height": 64, "seed": 7 + len(ids)})
        ids.append(finished(studio, job.id).pictures[0])
    return ids


def visitor(studio, host: str = "localhost:7860", client: tuple[str, int] = HERE, **gate: object) -> TestClient:
    app = build_app(studio, Gate(**gate))
    return TestClient(app, base_url=f"http://{host}", client=client, raise_server_exceptions=False)


def ids(web, query: str = "") -> list[int]:
    return web.get(f"/api/library/ids?{query}").json()["ids"]


def test_a_search_gives_all_ids_and_pages_give_the_pictures(web, made):
    assert ids(web) == made[::-1]
    assert ids(web, "words=cat") == [made[2], made[0]]
    assert ids(web, "seed=8") == [made[1]]
    assert ids(web, "model=toy&since=0&until=1") == []
    pictures = web.get(f"/api/library/pictures?ids={made[2]},999,{made[0]}").json()["pictures"]
    assert [one["prompt"] for one in pictures] == ["another cat", "a cat"]
    assert (pictures[0]["starred"], pictures[0]["trashed"], pictures[0]["folder"]) == (False, None, None)


def test_pictures_are_starred(web, made):
    assert web.post("/api/library/star", json={"pictures": [made[0]]}).status_code == 200
    assert ids(web, "starred=true") == [made[0]]
    assert web.get("/api/library").json()["starred"] == 1
    web.post("/api/library/star", json={"pictures": [made[0]], "starred": False})
    assert ids(web, "starred=true") == []


def test_a_picture_goes_to_the_trash_and_back_and_everybody_hears_of_it(web, studio, made):
    with studio.watch() as watcher:
        assert web.post("/api/library/trash", json={"pictures": [made[1], 999]}).json() == {
            "pictures": [made[1]],
            "problems": ["There is no picture 999. It may belong to another data folder."],
        }
        assert [news.kind for news in watcher.take()] == ["resync"]
        assert (ids(web), ids(web, "trashed=true")) == ([made[2], made[0]], [made[1]])
        assert [one["id"] for one in web.get("/api/pictures").json()["pictures"]] == [made[2], made[0]]
        assert web.get(f"/pictures/{made[1]}").status_code == 200
        web.post("/api/library/restore", json={"pictures": [made[1]]})
        assert ids(web) == made[::-1]
        assert [news.kind for news in watcher.take()] == ["resync"]
        web.post("/api/library/star", json={"pictures": [made[1]]})
        assert [news.kind for news in watcher.take()] == ["library"]


def test_the_trash_is_emptied(web, studio, made):
    path = studio.picture(made[0]).path
    web.post("/api/library/trash", json={"pictures": [made[0]]})
    assert web.post("/api/library/empty-trash").json() == {"deleted": 1}
    assert not path.exists()
    assert web.get(f"/api/pictures/{made[0]}").status_code == 404


def test_a_folder_is_read_in_place_with_progress_and_forgotten(studio, tmp_path):
    folder = tmp_path / "from elsewhere"
    folder.mkdir()
    file = encode(numpy.zeros((8, 8, 3), numpy.uint8), "png", "a fox\nSteps: 1, Seed: 4, Size: 8x8")[0]
    (folder / "a.png").write_bytes(file)
    here = visitor(studio)
    with studio.watch() as watcher:
        number = here.post("/api/library/folders", json={"path": str(folder)}).json()["folder"]
        until(lambda: studio.snapshot()["indexing"]["state"] == "finished")
        kinds = until(lambda: {news.kind for news in watcher.take()})
        assert {"indexing", "library"} <= kinds
    (found,) = here.get(f"/api/library/pictures?ids={ids(here, f'folder={number}')[0]}").json()["pictures"]
    assert (found["prompt"], found["seed"], found["folder"]) == ("a fox", 4, number)
    assert here.get(found["url"]).content == file
    assert here.get(found["thumbnail"]).headers["content-type"] == "image/webp"
    until(lambda: here.post(f"/api/library/folders/{number}/read").status_code == 200)
    until(lambda: here.post(f"/api/library/folders/{number}/remove").status_code == 200)
    assert ids(here) == [] and here.get("/api/library").json()["folders"] == []
    assert here.post("/api/library/stop").status_code == 200


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ({}, (422, 404)),
        ({"client": ("192.168.1.9", 5000), "host": "192.168.1.2:7860", "listen": True}, (403, 403)),
        ({"client": ("192.168.1.9", 5000), "listen": True}, (403, 403)),
    ],
)
def test_folders_are_named_and_shown_only_at_the_machine_itself(studio, options, statuses):
    web = visitor(studio, **options)
    answers = [web.post("/api/library/folders", json={"path": "x"}), web.post("/api/pictures/999/show")]
    assert tuple(answer.status_code for answer in answers) == statuses
    assert all("at the machine" in answer.json()["message"] for answer in answers if answer.status_code == 403)


def test_a_tunnel_does_not_pass_for_this_machine(studio):
    web = visitor(studio)
    for header in ("x-forwarded-for", "forwarded"):
        answer = web.post("/api/library/folders", json={"path": "/"}, headers={header: "1.2.3.4"})
        assert answer.status_code == 403


def test_where_everybody_is_asked_for_a_password_folders_can_be_named_from_afar(studio):
    far = visitor(studio, client=("192.168.1.9", 1), host="192.168.1.2", listen=True, password="x", ask_everybody=True)
    answer = far.post("/api/library/folders", json={"path": "relative"}, auth=("me", "x"))
    assert "not a full path" in answer.json()["message"]
    assert far.post("/api/pictures/1/show", auth=("me", "x")).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "sentence"),
    [
        ("POST", "/api/library/star", {}, 422, "list of ids"),
        ("POST", "/api/library/trash", {"pictures": "1"}, 422, "list of ids"),
        ("POST", "/api/library/trash", {"pictures": [True]}, 422, "list of ids"),
        ("POST", "/api/library/restore", {"pictures": [2**70]}, 422, "list of ids"),
        ("GET", "/api/library/pictures?ids=1,x", None, 422, "not a list of ids"),
        ("GET", "/api/library/pictures?ids=" + "1," * 501, None, 422, "at most 500"),
        ("GET", "/api/library/ids?seed=x", None, 422, "seed is 'x'"),
        ("POST", "/api/library/folders/9/read", {}, 404, "no folder 9"),
        ("POST", "/api/library/folders/9/remove", {}, 404, "no folder 9"),
        ("POST", "/api/pictures/9/show", {}, 404, "no picture 9"),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_sentence(studio, method, path, sent, status, sentence):
    answer = visitor(studio).request(method, path, json=sent)
    assert answer.status_code == status
    assert sentence in answer.json()["message"]
