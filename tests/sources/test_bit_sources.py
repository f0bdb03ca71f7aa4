"""Bits from short seeds."""

import hashlib

import numpy as np
import pytest

from entropylab.sources.bit_sources import sha256_bits, shift_register_bits, toy_generator


def test_the_shift_register_has_its_known_output_and_period():
    bits = shift_register_bits(2000)
    assert "".join(map(str, bits[:24])) == "100000001000111000100101"
    assert bits.sum() == 1002
    assert (bits[255:510] == bits[:255]).all() and not (bits[127:254] == bits[:127]).all()


def test_sha256_bits_are_those_of_the_digest():
    digest = hashlib.sha256((3).to_bytes(8, "big") + (0).to_bytes(8, "big")).digest()
    bits = sha256_bits(300, seed=3)
    assert (bits[:256] == np.unpackbits(np.frombuffer(digest, np.uint8))).all()
    assert not (bits == sha256_bits(300, seed=4)).all()
    assert abs(sha256_bits(20_000).mean() - 0.5) < 0.02


def test_toy_generators():
    seeds = np.arange(64)
    for kind in ("register", "repeat"):
        rows = toy_generator(kind)
        assert (rows[:, :6] @ (1 << np.arange(5, -1, -1)) == seeds).all()
    register = toy_generator("register")
    assert (register[:, 6:] == register[:, :6] ^ register[:, 1:7]).all()
    assert (toy_generator("repeat")[:, 6:] == toy_generator("repeat")[:, :6]).all()
    assert (toy_generator("multiply") @ (1 << np.arange(11, -1, -1)) == 2731 * seeds % 4096).all()
    assert toy_generator("sha").shape == (64, 12) and len(np.unique(toy_generator("sha"), axis=0)) > 60


def test_bad_input_is_named():
    for call, message in (
        (lambda: shift_register_bits(-1), "length"),
        (lambda: shift_register_bits(9, state=0), "state"),
        (lambda: shift_register_bits(9, taps=[8]), "taps"),
        (lambda: sha256_bits(9, seed=-1), "seed"),
        (lambda: toy_generator("dice"), "kind"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
