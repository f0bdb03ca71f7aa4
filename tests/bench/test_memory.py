"""What a call allocates."""

import numpy as np
import torch

from entropylab.bench.memory import peak_bytes

MIB = 2**20


def test_the_peak_is_what_is_held_at_once():
    def one_after_the_other():
        for _ in range(5):
            torch.ones(MIB // 4)

    def together():
        return [torch.ones(MIB // 4) for _ in range(5)]

    assert MIB <= peak_bytes(one_after_the_other) < 1.2 * MIB
    assert 5 * MIB <= peak_bytes(together) < 5.2 * MIB


def test_arrays_of_numpy_count():
    assert 3 * MIB <= peak_bytes(lambda: np.ones(3 * MIB, np.uint8)) < 3.2 * MIB
