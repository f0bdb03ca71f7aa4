from __future__ import annotations

import numpy as np
import pytest

from entropylab.sources.feedback_channel import joint_law, random_channel, reference_channel


def test_a_joint_law_is_the_product_of_its_kernels():
    first, second = [0.3, 0.7], [[0.9, 0.1], [0.2, 0.8]]
    assert joint_law([first, second]) == pytest.approx(np.array([[0.27, 0.03], [0.14, 0.56]]))


def test_the_reference_channel_follows_its_description():
    law = reference_channel()
    x2 = law.sum((3, 4, 5))  # x_1, y_1, x_2
    given = x2[..., 1] / x2.sum(-1)
    assert given == pytest.approx(np.array([[0.27, 0.885], [0.63, 0.925]]))
    y3 = law.sum((0, 1, 2))  # y_2, x_3, y_3
    assert (y3 / y3.sum(-1, keepdims=True))[:, 0, 1] == pytest.approx([0.1, 0.2])
    assert reference_channel(0.5).sum() == pytest.approx(1)


def test_without_feedback_inputs_do_not_listen():
    law = random_channel(2, 3, feedback=False, seed=1).sum(-1)  # x_1, y_1, x_2
    given = law / law.sum(-1, keepdims=True)
    assert given == pytest.approx(np.broadcast_to(given[:, :1], given.shape))
    heard = random_channel(2, 3, seed=1).sum(-1)
    assert np.ptp(heard / heard.sum(-1, keepdims=True), axis=1).max() > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: joint_law([]), "kernels: got 0"),
        (lambda: joint_law([[0.5, 0.5]]), "kernels: got 1"),
        (lambda: joint_law([[0.5, 0.5], [[0.5, 0.6]]]), r"kernels\[1\]: row 0"),
        (lambda: joint_law([[0.5, 0.5], np.full((3, 2), 0.5)]), r"kernels\[1\]: got leading axes"),
        (lambda: random_channel(0, 2), "steps: got 0"),
        (lambda: random_channel(2, 0), "symbols: got 0"),
        (lambda: reference_channel(1.5), "strength: got 1.5"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
