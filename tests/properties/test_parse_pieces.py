"""Where thousands of lines are passed over at once, none of them is a piece of a line."""

from __future__ import annotations

import io
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from service.edges import inputs
from service.parsing.pieces import may_hold_pieces, piece_of

WORDS = st.sampled_from(
    [*"{}[] \t\r\n\0:1a", "\n", "\n ", "\n\t", "{\n", "[{\n", "}\n", "{ ", " stdout P ", " stderr F x",
     "2024-03-05T11:59:58Z",
     "2024-03-05 11:59:58 1rjIZ2-0005MB-00 ** a@b", " == ", " => a", " -> a", "Mar  5 11:59:58 mx1 exim[1]: [1/3] x",
     "starting delivery 1: msg 2 to remote a@b.ch", "Starting delivery: host: a file: b", "delivery 1: success: ok",
     "smtp: ", "From: <", "Message sent: {", "Mar  5 11:59:58 mx1 postfix/smtp[1]: ", "@4000000065e70a1e0000000 "]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=12).map(lambda words: "".join(words).encode())


@given(text=TEXTS)
def test_no_piece_is_passed_over(text: bytes) -> None:
    if not may_hold_pieces(text):
        assert [piece_of(line, watched=False) for line in text.split(b"\n")].count(None) == text.count(b"\n") + 1


@given(text=TEXTS)
def test_a_plain_batch_holds_no_piece(text: bytes) -> None:
    for batch in inputs.batches(io.BytesIO(text)):
        assert not batch.plain or all(piece_of(raw.data, watched=False) is None for raw in batch.records)


@given(text=TEXTS, size=st.integers(1, 40))
def test_lines_are_what_they_are_one_by_one(text: bytes, size: int) -> None:
    """Wherever the pieces end in which the stream is read."""
    folder = inputs._Folder()
    one_by_one = [raw for line in io.BytesIO(text) for raw in folder.take(line)] + folder.rest()
    with patch.object(inputs, "_PIECE", size):
        assert list(inputs.lines(io.BytesIO(text))) == one_by_one
