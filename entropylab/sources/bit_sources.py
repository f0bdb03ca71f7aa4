"""Bits that are computed from a short seed: what they are to an observer with unbounded time is the seed, no more.

The entropy of each of these outputs is at most that of the seed, whatever its length. To an observer that cannot find
the seed they look like fair bits, or not: that is what the tests of a generator are about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from entropylab.sources.stochastic import check_count

Bits = NDArray[np.uint8]


def shift_register_bits(
    length: int, *, width: int = 8, taps: Iterable[int] = (0, 2, 3, 4), state: int = 1
) -> Bits:
    """Output of a linear feedback shift register: the low bit; the parity of the taps comes in at the top.

    Parameters
    ----------
    length : int
        Bits of output.
    width : int
        Bits of the register. The output is periodic: at most ``2^width - 1``, which the default reaches.
    taps : iterable of int
        Places of the register, 0 is the low bit.
    state : int
        The seed, 1 to ``2^width - 1``.

    Returns
    -------
    array of uint8, shape (length,)

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    check_count("length", length, 0)
    check_count("width", width, 1)
    places = sorted(set(taps))
    if not places or places[0] < 0 or places[-1] >= width:
        raise ValueError(f"taps: got {places}, allowed are places from 0 to {width - 1}, at least one")
    if not 0 < state < 1 << width:
        raise ValueError(f"state: got {state}, allowed are 1 to {(1 << width) - 1}")
    out = np.empty(length, np.uint8)
    for i in range(length):
        out[i] = state & 1
        parity = sum(state >> place for place in places) & 1
        state = state >> 1 | parity << (width - 1)
    return out


def sha256_bits(length: int, *, seed: int = 0) -> Bits:
    """SHA-256 of the seed and a counter, one digest after the other, most significant bits first.

    Parameters
    ----------
    length : int
        Bits of output.
    seed : int
        0 to ``2^64 - 1``.

    Returns
    -------
    array of uint8, shape (length,)

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    check_count("length", length, 0)
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed: got {seed}, allowed are 0 to 2^64 - 1")
    key = seed.to_bytes(8, "big")
    digests = [hashlib.sha256(key + i.to_bytes(8, "big")).digest() for i in range(-(-length // 256))]
    return np.unpackbits(np.frombuffer(b"".join(digests), np.uint8))[:length]


def toy_generator(kind: str) -> Bits:
    """All 64 outputs, 12 bits each, of a generator with a seed of 6 bits: small enough to enumerate everything.

    Parameters
    ----------
    kind : {"register", "repeat", "sha", "multiply"}
        The seed, most significant bit first, and then ``b_{i+6} = b_i xor b_{i+1}``, or the seed again; or in its place
        the first 12 bits of SHA-256 of the seed as one byte, or the 12 bits of 2,731 times the seed modulo 4,096.

    Returns
    -------
    array of uint8, shape (64, 12)

    Raises
    ------
    ValueError
        If there is no such generator.
    """
    seeds = np.arange(64)
    high = (seeds[:, None] >> np.arange(5, -1, -1) & 1).astype(np.uint8)
    if kind == "repeat":
        return np.concatenate([high, high], axis=1)
    if kind == "register":
        bits = np.concatenate([high, np.empty_like(high)], axis=1)
        for i in range(6):
            bits[:, i + 6] = bits[:, i] ^ bits[:, i + 1]
        return bits
    if kind == "sha":
        heads = [hashlib.sha256(bytes([s])).digest()[:2] for s in range(64)]
        return np.unpackbits(np.frombuffer(b"".join(heads), np.uint8)).reshape(64, 16)[:, :12]
    if kind == "multiply":
        return (2731 * seeds[:, None] % 4096 >> np.arange(11, -1, -1) & 1).astype(np.uint8)
    raise ValueError(f"kind: got {kind!r}, allowed are 'register', 'repeat', 'sha' and 'multiply'")
