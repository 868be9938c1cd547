from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modules.core.errors import UserError
from modules.jobs.database import Database
from modules.jobs.migrations import MIGRATIONS, jobs_and_pictures, migrate


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "easel.sqlite")
    yield opened
    opened.close()


def insert(path: str):
    row = ("j", 0, path, 8, 8, 1, "cat", "", "m", "text", 1.0)
    columns = "job, position, path, width, height, seed, prompt, negative_prompt, model, infotext, created"
    statement = f"INSERT INTO pictures ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    return lambda connection: connection.execute(statement, row)


def paths(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row["path"] for row in connection.execute("SELECT path FROM pictures ORDER BY id")]


def test_what_was_written_is_there_after_a_new_opening(tmp_path):
    first = Database(tmp_path / "easel.sqlite")
    first.write(insert("a.png"))
    first.close()
    second = Database(tmp_path / "easel.sqlite")
    assert paths(second) == ["a.png"]
    assert second.problems == []
    second.close()


def test_a_change_that_fails_writes_nothing(database):
    def half(connection: sqlite3.Connection) -> None:
        insert("a.png")(connection)
        raise KeyError("stop here")

    with pytest.raises(KeyError):
        database.write(half)
    assert paths(database) == []
    database.write(insert("b.png"))
    assert paths(database) == ["b.png"]


def test_readers_cannot_write(database):
    with pytest.raises(UserError), database.reading() as connection:
        insert("a.png")(connection)


def test_many_threads_write_and_read_at_once(database):
    def work(number: int) -> None:
        for round in range(20):
            database.write(insert(f"{number}-{round}"))
            assert f"{number}-{round}" in paths(database)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths(database))) == 120


@pytest.mark.parametrize("damage", ["all of it", "the middle", "the beginning"])
def test_a_damaged_file_is_set_aside_with_a_sentence_and_kept(tmp_path, damage):
    path = tmp_path / "easel.sqlite"
    first = Database(path)
    for number in range(200):
        first.write(insert(f"{number}.png" * 20))
    first.close()
    content = bytearray(path.read_bytes())
    start, length = {"all of it": (0, len(content)), "the middle": (8192, 16384), "the beginning": (0, 4096)}[damage]
    content[start : start + length] = b"not a database, " * (length // 16)
    path.write_bytes(content)

    second = Database(path)
    assert paths(second) == []
    aside = [one for one in tmp_path.iterdir() if "damaged" in one.name]
    assert [one.read_bytes() for one in aside] == [bytes(content)]
    assert len(second.problems) == 1
    assert aside[0].name in second.problems[0]
    second.write(insert("new.png"))
    second.close()


def test_a_second_opening_of_the_same_folder_is_refused(database, tmp_path):
    with pytest.raises(UserError, match="already runs on the folder"):
        Database(tmp_path / "easel.sqlite")


def test_another_process_is_refused_until_the_first_is_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from modules.jobs.database import Database;"
        "Database(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    path = tmp_path / "easel.sqlite"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(UserError, match="already runs on the folder"):
            Database(path)
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    Database(path).close()


def test_a_history_of_a_newer_program_is_refused_and_untouched(tmp_path):
    path = tmp_path / "easel.sqlite"
    newer = sqlite3.connect(path)
    newer.execute("CREATE TABLE future (x)")
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(UserError, match="newer version"):
        Database(path)
    assert path.read_bytes()[100:] == before[100:]  # the header notes the journal's kind
    newer = sqlite3.connect(path)
    assert newer.execute("SELECT name FROM sqlite_master").fetchall() == [("future",)]
    newer.close()


def test_a_folder_that_cannot_hold_a_database_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        Database(tmp_path / "file" / "easel.sqlite")


def test_an_older_form_is_taken_to_the_newest_with_its_pictures(tmp_path):
    old = sqlite3.connect(tmp_path / "easel.sqlite", isolation_level=None)
    migrate(old, (jobs_and_pictures,))
    insert("old.png")(old)
    old.close()
    database = Database(tmp_path / "easel.sqlite")
    with database.reading() as connection:
        found = connection.execute("SELECT rowid FROM picture_words WHERE picture_words MATCH 'cat'").fetchall()
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert len(found) == 1
    database.close()


def test_a_migration_that_fails_leaves_the_form_before(tmp_path):
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (x)")
        connection.execute("this is not SQL")

    database = sqlite3.connect(tmp_path / "easel.sqlite", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrate(database, (jobs_and_pictures, broken))
    assert database.execute("PRAGMA user_version").fetchone()[0] == 1
    assert database.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []
    database.close()


def test_after_closing_a_write_is_refused(database):
    database.close()
    with pytest.raises(UserError, match="closing"):
        database.write(insert("a.png"))


def test_an_old_history_keeps_its_pictures_and_learns_to_search_star_and_throw_away(tmp_path):
    old = sqlite3.connect(tmp_path / "easel.sqlite", isolation_level=None)
    migrate(old, MIGRATIONS[:2])
    insert("a.png")(old)
    old.close()
    database = Database(tmp_path / "easel.sqlite")
    with database.reading() as connection:
        (row,) = connection.execute("SELECT path, prompt, starred, trashed, folder FROM pictures").fetchall()
    assert tuple(row) == ("a.png", "cat", 0, None, None)
    database.write(lambda connection: connection.execute("UPDATE pictures SET prompt = 'a dog', starred = 1"))
    with database.reading() as connection:
        query = "SELECT rowid FROM picture_words WHERE picture_words MATCH ?"
        assert [len(connection.execute(query, (word,)).fetchall()) for word in ("cat", "dog")] == [0, 1]
    database.close()
