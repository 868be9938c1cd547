"""Which extensions are found, and in which order."""

from __future__ import annotations

from pathlib import Path

from modules.plugins.discover import BUILTIN, discover


def names(folders: list[Path], disabled: tuple[str, ...] = ()) -> list[str]:
    return [extension.name for extension in discover(folders, disabled) if not extension.builtin]


def test_a_folder_with_an_entry_is_an_extension(write) -> None:
    folder = write("glitter", "")
    (found,) = [one for one in discover([folder]) if not one.builtin]
    assert (found.name, found.entry) == ("glitter", folder / "glitter" / "extension.py")


def test_built_in_ones_come_first_and_ours_are_sorted(write) -> None:
    write("zebra", "")
    found = discover([write("apple", "")])
    assert [one.builtin for one in found] == sorted((one.builtin for one in found), reverse=True)
    assert [one.name for one in found][-2:] == ["apple", "zebra"]
    assert all(one.folder.parent == BUILTIN for one in found[:-2])
    assert len(found) > 2


def test_other_folders_and_files_are_none(write) -> None:
    folder = write("glitter", "")
    (folder / "notes").mkdir()
    (folder / "README.md").write_text("words")
    for hidden in (".git", "_old"):
        write(hidden, "raise RuntimeError")
    assert names([folder]) == ["glitter"]


def test_a_disabled_one_is_left_out_built_in_or_not(write) -> None:
    folder = write("glitter", "")
    assert names([folder], ("glitter",)) == []
    assert "wildcards" not in [one.name for one in discover([], ("wildcards",))]


def test_the_first_of_a_name_wins(tmp_path: Path, write) -> None:
    first = write("glitter", "")
    second = tmp_path / "more" / "glitter"
    second.mkdir(parents=True)
    (second / "extension.py").write_text("")
    (found,) = [one for one in discover([first, second.parent]) if not one.builtin]
    assert found.folder == first / "glitter"


def test_a_folder_that_is_not_there_holds_none(tmp_path: Path) -> None:
    assert names([tmp_path / "nowhere"]) == []
