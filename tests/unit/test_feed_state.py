"""The checkpoint of a feed: what is kept, who may use it, and what is no checkpoint."""

from __future__ import annotations

import os

import pytest

from service.feed.place import Place
from service.feed.state import State, StateError, load, locked, save


def test_what_was_kept_is_there_again(tmp_path):
    path = str(tmp_path / "state.json")
    assert load(path) is None
    kept = State(
        patterns=["/var/log/mail.log"], files={"/var/log/mail.log": [Place(1, 2, "ab", 3, 4, 5)]}, cursor="s=1"
    )
    save(path, State())
    save(path, kept)
    assert load(path) == kept
    assert [each.name for each in tmp_path.iterdir()] == ["state.json"], "nothing is left beside it"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no checkpoint of mailgap feed"),
        (b"\xff\xfe", "is no checkpoint of mailgap feed"),
        (b'{"files": {"x": [1]}}', "is no checkpoint of mailgap feed"),
        (b'{"version": 2}', "is of version 2, and this release knows 1"),
    ],
)
def test_what_is_no_checkpoint_is_one_sentence(tmp_path, data, said):
    path = tmp_path / "state.json"
    path.write_bytes(data)
    with pytest.raises(StateError) as raised:
        load(str(path))
    assert said in str(raised.value)
    assert "give another file, or remove it to begin anew with --start" in str(raised.value)


def test_names_that_are_no_text_are_kept_byte_for_byte(tmp_path):
    path, name = str(tmp_path / "feed.json"), os.fsdecode(b"/var/log/m\xff\xc3\xa4.log")
    place = Place(1, 2, "ab", 2, 7)
    kept = State(patterns=[name, "/var/log/\u00e4.log"], files={name: [place], "/var/log/\u00e4.log": [place]})
    save(path, kept)
    assert load(path) == kept


def test_a_checkpoint_that_cannot_be_kept_is_named(tmp_path):
    with pytest.raises(OSError, match=r"--state .*/gone/feed\.json cannot be kept \(No such file or directory\)"):
        save(str(tmp_path / "gone" / "feed.json"), State())


def test_two_feeds_do_not_share_one(tmp_path):
    path = str(tmp_path / "state.json")
    with locked(path), pytest.raises(StateError, match="another mailgap feed is using it"), locked(path):
        pass
    with locked(path):
        pass


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(StateError, match="cannot be written: No such file"), locked(str(tmp_path / "no" / "state")):
        pass
