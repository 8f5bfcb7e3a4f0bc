"""YAML files: what a forgiving reader takes in silence is one sentence with the file and the line."""

from __future__ import annotations

import pytest

from service.yaml_files import YamlFileError, read_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


def _file(tmp_path, text):
    path = tmp_path / "policy.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", r"line 3: 'a' stands there twice, first on line 1: keep one"),
        ("a:\n  b: 1\n  b: 1", r"line 3: 'b' stands there twice"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: " + "{b: " * 5000 + "1" + "}" * 5000, "nested too deeply"),
        (BOMB, r"line \d+: unfolds to more than 100000 values by its aliases"),
        ("a: &a [*a]", "line 1: contains itself by an alias"),
        ("? {a: b}\n: c", "line 1: a key is a list or a mapping"),
        ("a: 2026-99-99", "a value that is none .*; write it in quotes"),
        ("a: " + "9" * 5000, "a value that is none .*; write it in quotes"),
        ("a: !!python/object/apply:os.getcwd []", "line 1: the policy file is no YAML"),
        ("a: *nobody", "line 1: the policy file is no YAML"),
        ("a: [1,\nb", "line 2: the policy file is no YAML"),
        ("a: 1\n--- \nb: 2", "line 2: the policy file is no YAML: but found another document"),
        (b"a: \xff\xfe", "cannot be read: it is no UTF-8 text"),
        (b"a: \0", "is no YAML"),
        (b"# " + b"x" * (1 << 20), "has less than 1 MiB: is this the right file"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path, text, sentence):
    path = _file(tmp_path, text)
    with pytest.raises(YamlFileError, match=sentence) as said:
        read_yaml(path, "policy")
    assert str(said.value).startswith(f"{path}: ")
    assert len(str(said.value)) < len(path) + 200


@pytest.mark.parametrize("path", ["", "/nowhere/policy.yaml", "/", "/etc/passwd/x", "nul\0l"])
def test_a_path_that_is_none(path):
    with pytest.raises(YamlFileError, match="the policy file cannot be read"):
        read_yaml(path, "policy")


def test_anchors_and_merges_are_followed(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: {<<: [*a], z: 1}"
    assert read_yaml(_file(tmp_path, text), "policy") == {
        "a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}, "d": {"x": 1, "y": 2, "z": 1},
    }  # fmt: skip


def test_an_empty_file_holds_nothing(tmp_path):
    assert read_yaml(_file(tmp_path, "# only a word to the reader\n"), "policy") is None
