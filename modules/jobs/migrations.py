"""The steps from an empty database to today's. Released steps are never changed: a new need is a new function below."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from ..core.errors import UserError


def jobs_and_pictures(database: sqlite3.Connection) -> None:
    database.execute(
        """
        CREATE TABLE jobs (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            request TEXT NOT NULL,
            tab TEXT NOT NULL,
            state TEXT NOT NULL,
            owner TEXT NOT NULL,
            created REAL NOT NULL,
            started REAL,
            finished REAL,
            message TEXT NOT NULL DEFAULT '',
            hint TEXT NOT NULL DEFAULT '',
            dismissed INTEGER NOT NULL DEFAULT 0
        )
        """
    )
    database.execute("CREATE INDEX jobs_by_state ON jobs (state, number)")
    database.execute(
        """
        CREATE TABLE pictures (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job TEXT NOT NULL,
            position INTEGER NOT NULL,
            path TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            seed INTEGER NOT NULL,
            prompt TEXT NOT NULL,
            negative_prompt TEXT NOT NULL,
            model TEXT NOT NULL,
            infotext TEXT NOT NULL,
            created REAL NOT NULL
        )
        """
    )
    database.execute("CREATE INDEX pictures_by_job ON pictures (job, position)")


def words_of_prompts(database: sqlite3.Connection) -> None:
    """Full-text search over prompts, kept in step by triggers."""
    database.execute(
        """
        CREATE VIRTUAL TABLE picture_words
        USING fts5 (prompt, negative_prompt, content='pictures', content_rowid='id')
        """
    )
    database.execute(
        """
        CREATE TRIGGER pictures_added AFTER INSERT ON pictures BEGIN
            INSERT INTO picture_words (rowid, prompt, negative_prompt)
            VALUES (new.id, new.prompt, new.negative_prompt);
        END
        """
    )
    database.execute(
        """
        CREATE TRIGGER pictures_removed AFTER DELETE ON pictures BEGIN
            INSERT INTO picture_words (picture_words, rowid, prompt, negative_prompt)
            VALUES ('delete', old.id, old.prompt, old.negative_prompt);
        END
        """
    )
    database.execute("INSERT INTO picture_words (picture_words) VALUES ('rebuild')")


def stars_trash_and_folders(database: sqlite3.Connection) -> None:
    """Pictures may be starred or lie in the trash (`origin`: the path they had before), or belong to a folder that was
    indexed in place; `stamp` tells then whether the file is still the one that was read.
    """
    for column in ("starred INTEGER NOT NULL DEFAULT 0", "trashed REAL", "origin TEXT NOT NULL DEFAULT ''"):
        database.execute(f"ALTER TABLE pictures ADD COLUMN {column}")
    for column in ("folder INTEGER", "stamp TEXT NOT NULL DEFAULT ''"):
        database.execute(f"ALTER TABLE pictures ADD COLUMN {column}")
    database.execute("CREATE INDEX pictures_by_time ON pictures (created, id) WHERE trashed IS NULL")
    database.execute("CREATE INDEX pictures_in_trash ON pictures (trashed) WHERE trashed IS NOT NULL")
    database.execute("CREATE INDEX pictures_by_folder ON pictures (folder) WHERE folder IS NOT NULL")
    database.execute(
        "CREATE TABLE folders (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, read REAL)"
    )
    database.execute(
        """
        CREATE TRIGGER pictures_told_anew AFTER UPDATE OF prompt, negative_prompt ON pictures BEGIN
            INSERT INTO picture_words (picture_words, rowid, prompt, negative_prompt)
            VALUES ('delete', old.id, old.prompt, old.negative_prompt);
            INSERT INTO picture_words (rowid, prompt, negative_prompt)
            VALUES (new.id, new.prompt, new.negative_prompt);
        END
        """
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    jobs_and_pictures,
    words_of_prompts,
    stars_trash_and_folders,
)


def migrate(database: sqlite3.Connection, steps: tuple[Callable[[sqlite3.Connection], None], ...] = MIGRATIONS) -> None:
    """Takes the database to the newest form, one transaction a step. Raises UserError when it is newer than that."""
    done = database.execute("PRAGMA user_version").fetchone()[0]
    if done > len(steps):
        raise UserError(
            f"The history was written by a newer version of this program (form {done}, known up to {len(steps)}).",
            hint="Update the program, or start it with another --data-dir.",
        )
    for number, step in enumerate(steps[done:], start=done + 1):
        database.execute("BEGIN IMMEDIATE")
        try:
            step(database)
            database.execute(f"PRAGMA user_version = {number}")
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
