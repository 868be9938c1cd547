"""Styles: A1111's files and rules, and nothing of them ever lost."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.core.errors import UserError
from modules.core.request import GenerationRequest
from modules.text.styles import Style, Styles, read_styles, styled, with_styles

INK = Style("ink", "{prompt}, ink drawing", "colour")
WARM = Style("warm", "warm light")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "styles.csv"


@pytest.fixture
def styles(place: Path) -> Styles:
    return Styles([place])


def test_the_prompt_stands_where_the_style_says_else_before_it() -> None:
    assert styled("a cat", ["{prompt} in ink, {prompt}"]) == "a cat in ink, a cat"
    assert styled("a cat", ["ink", "", "paper"]) == "a cat, ink, paper"
    assert styled(" ", ["ink"]) == "ink"
    assert styled("a cat", []) == "a cat"


def test_styles_that_would_grow_without_end_are_refused() -> None:
    with pytest.raises(UserError, match="more than 20,000"):
        styled("a cat", ["{prompt}{prompt}"] * 40)


def test_a_file_of_a1111_is_read(place: Path, styles: Styles) -> None:
    place.write_text(
        'name,prompt,negative_prompt\n"None","",""\n#--- mine,,\nink,"{prompt}, ink ""drawing""\nin lines",colour\n'
        "short\n",
        encoding="utf-8-sig",
    )
    assert styles.all() == [
        Style("None"),
        Style("ink", '{prompt}, ink "drawing"\nin lines', "colour"),
        Style("short"),
    ]
    assert styles.problems() == []


def test_the_old_columns_are_read(place: Path, styles: Styles) -> None:
    place.write_text("name,text\nink,an ink drawing\n")
    assert styles.all() == [Style("ink", "an ink drawing")]
    styles.save(WARM)
    assert styles.all() == [Style("ink", "an ink drawing"), WARM]


def test_a_saved_style_comes_back_and_the_file_before_is_kept(place: Path, styles: Styles) -> None:
    styles.save(INK)
    first = place.read_bytes()
    assert first.startswith(b"\xef\xbb\xbfname,prompt,negative_prompt")
    styles.save(WARM)
    assert styles.all() == [INK, WARM]
    assert (place.parent / "styles.csv.bak").read_bytes() == first
    styles.remove("ink")
    assert styles.all() == [WARM]


def test_a_taken_name_is_replaced_only_when_asked(styles: Styles) -> None:
    styles.save(INK)
    with pytest.raises(UserError, match="already"):
        styles.save(Style("ink", "other"))
    styles.save(Style("ink", "other"), replacing=True)
    assert styles.all() == [Style("ink", "other")]


def test_dividers_and_columns_of_others_stay_when_a_style_is_saved(place: Path, styles: Styles) -> None:
    place.write_text("name,prompt,negative_prompt,note\n#--- mine,,,\nink,an ink drawing,,dear\n")
    styles.save(Style("ink", "ink"), replacing=True)
    with place.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["#--- mine", "ink"]
    assert rows[1]["note"] == "dear"


@pytest.mark.parametrize(
    "content",
    [
        b"name,prompt\nink,a,b,c\n",
        b"something else altogether\n",
        b"name,prompt,negative_prompt\nink,dr\xe4gt,\n",
        b'name,prompt\nink,"' + b"x" * 200_000 + b'"\n',
    ],
    ids=["cells", "columns", "letters", "size"],
)
def test_what_cannot_be_read_is_said_and_kept_under_a_name_of_its_own(
    place: Path, styles: Styles, content: bytes
) -> None:
    place.write_bytes(content)
    assert styles.problems()
    styles.save(WARM)
    assert WARM in styles.all()
    assert [kept.read_bytes() for kept in place.parent.glob("styles.csv.*.broken")] == [content]


def test_a_file_that_cannot_be_written_is_an_error_and_stays(place: Path, styles: Styles) -> None:
    place.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        styles.save(INK)


def test_of_several_files_the_first_with_a_name_counts_and_changes_go_there(tmp_path: Path) -> None:
    (tmp_path / "styles_a.csv").write_text("name,prompt,negative_prompt\nink,a,\n")
    (tmp_path / "styles_b.csv").write_text("name,prompt,negative_prompt\nink,b,\nwarm,b,\n")
    styles = Styles([tmp_path / "mine.csv", tmp_path / "styles_*.csv"])
    assert styles.all() == [Style("ink", "a"), Style("warm", "b")]
    styles.save(Style("warm", "c"), replacing=True)
    assert read_styles(tmp_path / "styles_b.csv").styles == [Style("ink", "b"), Style("warm", "c")]


def test_an_unknown_style_is_refused_with_its_neighbours(styles: Styles) -> None:
    styles.save(WARM)
    with pytest.raises(UserError, match=r"no style called 'wram'.*warm"):
        styles.named(["wram"])


@pytest.mark.parametrize("name", ["", " ", "#1", "two\nlines", "x" * 101, " edge"])
def test_names_that_could_not_be_found_again_are_refused(styles: Styles, name: str) -> None:
    with pytest.raises(UserError, match="name"):
        styles.save(Style(name, "x"))


def test_a_request_gets_the_words_of_its_styles_once(styles: Styles) -> None:
    styles.save(INK)
    styles.save(WARM)
    request = GenerationRequest(prompt="a cat", negative_prompt="fog", hr_prompt="a large cat", styles=["ink", "warm"])
    found = with_styles(request, styles)
    assert found.prompt == "a cat, ink drawing, warm light"
    assert found.negative_prompt == "fog, colour"
    assert found.hr_prompt == "a large cat, ink drawing, warm light"
    assert found.hr_negative_prompt == ""
    assert with_styles(found, styles) is found
    assert found.styled == {"styles": "ink\nwarm", "prompt": "a cat", "negative_prompt": "fog"}


words = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30)


@given(prompt=words, negative=words)
@settings(derandomize=True, max_examples=60, deadline=None, database=None)
def test_any_words_survive_a_file(tmp_path_factory: pytest.TempPathFactory, prompt: str, negative: str) -> None:
    styles = Styles([tmp_path_factory.mktemp("any") / "styles.csv"])
    style = Style("any", prompt + "x", negative)
    styles.save(style)
    assert styles.all() == [style]


@given(
    content=st.binary(max_size=200) | st.text(st.sampled_from('name,prompt"\n\r #{}\0é'), max_size=80).map(str.encode)
)
@settings(derandomize=True, max_examples=150, deadline=None, database=None)
def test_no_file_at_all_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "styles.csv"
    path.write_bytes(content)
    file = read_styles(path)
    assert all(isinstance(style, Style) for style in file.styles)
