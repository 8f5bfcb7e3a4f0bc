"""Reads YAML files that people write: what a forgiving reader would pass over in silence is said, with its line.

A key that stands there twice, a tag that makes an object, a file that is no text, one that unfolds to gigabytes: each
is one sentence that names the file and the way out. What the document means is the caller's business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

LARGEST: Final = 1 << 20
"""Bytes of a file; what people write has a few kilobytes."""
MOST_VALUES: Final = 100_000
"""Of a document once its aliases are followed: a dozen lines of them can make billions."""


class YamlFileError(Exception):
    """The file cannot be used; the text says which, where and why."""


def read_yaml(path: str, what: str) -> object:
    """The document of the file, None for an empty one. `what` is what the file is for: `policy`, `configuration`."""
    text = _text(path, what)
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {})
        return loader.construct_document(node)
    except _Wrong as wrong:
        raise YamlFileError(f"{path}: {wrong}") from wrong
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise YamlFileError(f"{path}: {where}the {what} file is no YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise YamlFileError(f"{path}: the {what} file is no YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise YamlFileError(f"{path}: the {what} file is nested too deeply to be one: write it anew") from error
    except ValueError as error:  # a date that is none, a number of thousands of digits
        said = str(error).partition(";")[0]
        raise YamlFileError(
            f"{path}: the {what} file holds a value that is none ({said}); write it in quotes"
        ) from error


def _text(path: str, what: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise YamlFileError(f"{path}: a {what} file has less than {LARGEST >> 20} MiB: is this the right file?")
        return data.decode()
    except UnicodeDecodeError as error:
        raise YamlFileError(f"{path}: the {what} file cannot be read: it is no UTF-8 text") from error
    except OSError as error:
        raise YamlFileError(f"{path or repr(path)}: the {what} file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise YamlFileError(f"{path!r}: the {what} file cannot be read: {error}") from error


class _Wrong(Exception):  # noqa: N818 it carries half a sentence
    """What the checks found."""


def _check(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many values the node unfolds to. Raises `_Wrong`."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise _Wrong(f"line {_line(node)}: contains itself by an alias; write it out")
        return sizes[id(node)]
    sizes[id(node)] = 0  # under way
    size = 1
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        size += sum(_check(key, sizes) + _check(value, sizes) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_check(item, sizes) for item in node.value)
    if size > MOST_VALUES:
        raise _Wrong(f"line {_line(node)}: unfolds to more than {MOST_VALUES} values by its aliases; write it out")
    sizes[id(node)] = size
    return size


def _check_keys(node: yaml.MappingNode) -> None:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Wrong(f"line {_line(key)}: a key is a list or a mapping; use plain text")
        if key.value in seen and key.value != "<<":
            first = seen[key.value]
            raise _Wrong(f"line {_line(key)}: {key.value!r} stands there twice, first on line {first}: keep one")
        seen[key.value] = _line(key)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
