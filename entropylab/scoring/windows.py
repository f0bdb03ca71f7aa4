"""A text as a stream of windows: tokens in pieces, windows over the pieces, and never all of it at once.

The windows are those of :func:`entropylab.models.score_text`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

# Characters that are tokenised at once, and characters that two neighbouring pieces share.
PIECE = 1 << 16
OVERLAP = 1 << 11

_Ints = NDArray[np.int64]


class Tokens(NamedTuple):
    """Consecutive tokens of a text: ids, and the characters where each starts and ends; int64 arrays [n].

    Without offsets (a tokenizer in Python has none) ``start`` and ``end`` are -1.
    """

    ids: _Ints
    start: _Ints
    end: _Ints

    def part(self, first: int, stop: int | None = None) -> Tokens:
        """The tokens ``first`` to ``stop - 1``."""
        return Tokens(*(column[first:stop] for column in self))


class Window(NamedTuple):
    """What the model reads at once.

    Attributes
    ----------
    ids : int64 array [n + 1]
        ``ids[:-1]`` go in, ``ids[1:]`` are predicted.
    first : int
        The first prediction that counts; those before it were counted in the window before.
    tokens : Tokens
        The tokens that this window accounts for: ``ids[1 + first:]``, and before them, in the first window of
        a text whose tokenizer has no beginning-of-text token, the one token that nothing predicts.
    last : bool
        Whether the text ends here.
    """

    ids: _Ints
    first: int
    tokens: Tokens
    last: bool

    @property
    def scored(self) -> int:
        """How many predictions count."""
        return len(self.ids) - 1 - self.first


def token_pieces(
    text: str, tokenizer: PreTrainedTokenizerBase, *, piece: int = PIECE, overlap: int = OVERLAP
) -> Iterator[Tokens]:
    """The tokens of a text, in pieces; memory does not grow with the text.

    Where a text is cut is nothing that the tokens may depend on. Neighbouring pieces overlap, and one gives way to
    the next in the middle of a stretch that both cut into the same tokens. If they do not agree there, as in a
    very long run of one letter, the piece is made longer until they do, or until the text ends.

    Parameters
    ----------
    text : str
    tokenizer : PreTrainedTokenizerBase
        One without offsets gets the text whole.
    piece, overlap : int
        Characters; the overlap is less than half of the piece.

    Yields
    ------
    Tokens
        Together those of the whole text, without special tokens.
    """
    if not tokenizer.is_fast:
        ids = np.asarray(
            tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"], dtype=np.int64
        )
        nowhere = np.full(len(ids), -1, dtype=np.int64)
        if len(ids):
            yield Tokens(ids, nowhere, nowhere)
        return
    begin, size, place = 0, piece, 0
    left = _encode(text, begin, begin + size, tokenizer)
    while begin + size < len(text):
        # The next piece begins at a token of this one, so that it has a chance to cut the same way.
        stop = begin + size
        ahead = left.start[left.start >= stop - overlap]
        begins = int(ahead[0]) if len(ahead) else begin
        right = _encode(text, begins, begins + piece, tokenizer) if begins > begin else None
        seam = None if right is None else _seam(left, right, stop - overlap, stop)
        if right is None or seam is None:
            size += piece
            left = _encode(text, begin, begin + size, tokenizer)
            continue
        if seam[0] > place:
            yield left.part(place, seam[0])
        begin, size, place, left = begins, piece, seam[1], right
    if len(left.ids) > place:
        yield left.part(place)


def _encode(text: str, begin: int, stop: int, tokenizer: PreTrainedTokenizerBase) -> Tokens:
    encoded = tokenizer(
        text[begin:stop], add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    offsets = np.asarray(encoded["offset_mapping"], dtype=np.int64).reshape(-1, 2) + begin
    return Tokens(np.asarray(encoded["input_ids"], dtype=np.int64), offsets[:, 0], offsets[:, 1])


def _seam(left: Tokens, right: Tokens, begin: int, stop: int) -> tuple[int, int] | None:
    """Places in two overlapping pieces that are the same token, amid a stretch on which they agree.

    The outer quarters of the overlap do not count: there the edges of the pieces are felt.
    """
    margin = (stop - begin) // 4
    inside = [(part.start >= begin + margin) & (part.end <= stop - margin) for part in (left, right)]
    places = [np.flatnonzero(mask) for mask in inside]
    if len(places[0]) != len(places[1]) or not len(places[0]):
        return None
    if any((a[p] != b[q]).any() for a, b, (p, q) in zip(left, right, [places] * 3)):
        return None
    # Not between two tokens that share a character: byte-level tokenizers cut some characters in pieces.
    clean = [i for i in range(1, len(places[0])) if left.start[places[0][i]] >= left.end[places[0][i] - 1]]
    if not clean:
        return None
    middle = clean[len(clean) // 2]
    return int(places[0][middle]), int(places[1][middle])


def windows(pieces: Iterator[Tokens], context: int, stride: int, bos: int | None) -> Iterator[Window]:
    """Overlapping windows over a stream of tokens; each token is accounted for once.

    Parameters
    ----------
    pieces : iterator of Tokens
    context : int
        Longest input.
    stride : int
        Tokens that each window but the first scores.
    bos : int or None
        The beginning-of-text token, which predicts the first token.

    Yields
    ------
    Window
        None if there is no token.
    """
    start = [] if bos is None else [bos]
    ids = np.asarray(start, dtype=np.int64)  # of the text, from position `base` on, its beginning included
    held = Tokens(*(np.zeros(0, dtype=np.int64) for _ in range(3)))  # not accounted for yet
    base = scored = 0
    ended = False
    while True:
        wanted = scored + (stride if scored else context)
        # One more than the window takes, to know whether it is the last.
        while not ended and base + len(ids) < wanted + 2:
            more = next(pieces, None)
            if more is None:
                ended = True
            else:
                ids = np.concatenate([ids, more.ids])
                held = Tokens(*(np.concatenate(pair) for pair in zip(held, more)))
        if not len(held.ids):
            return
        inputs = base + len(ids) - 1
        end = min(inputs, wanted)
        last = ended and end == inputs
        begin = max(0, end - context)
        accounted = end - scored + (1 if bos is None and base == scored == 0 else 0)
        yield Window(ids[begin - base : end + 1 - base], scored - begin, held.part(0, accounted), last)
        if last:
            return
        scored, held = end, held.part(accounted)
        keep = max(0, end + 1 - context)
        ids, base = ids[keep - base :], keep
