"""Estimates of structure from curves, the bound for pseudorandom sources, and scaling laws."""

import math

import numpy as np
import pytest

from entropylab.information.epiplexity import prequential_epiplexity, requential_epiplexity, two_part
from entropylab.information.kt_coding import kt_code
from entropylab.information.pseudorandom_bound import pseudorandom_bound
from entropylab.information.scaling_law_epiplexity import ScalingLaw, scaling_law_epiplexity
from entropylab.sources.bit_sources import toy_generator

LANGUAGE = ScalingLaw(0.339, 0.285, 4.91e7, 1.49e9, 1.69)


def test_the_area_of_a_curve():
    assert prequential_epiplexity([3.0, 2.0, 1.0], 1.0, 10) == pytest.approx(30 / math.log(2))
    assert prequential_epiplexity([3.0, 2.0], [2.5, 2.5], 1) == pytest.approx(0.0)
    # The structure of a counting observer is the area of its own curve above the final code.
    x = np.random.default_rng(0).integers(0, 2, 300)
    code = kt_code(x, 2)
    area = prequential_epiplexity(code.bits * math.log(2), code.plug_in * math.log(2) / 300, 1)
    assert area == pytest.approx(code.structure)


def test_the_requential_code():
    kl = np.array([0.0, 1.0, 3.0]) * math.log(2)
    assert requential_epiplexity(kl, overhead=False) == pytest.approx(4.0)
    assert requential_epiplexity(kl) == pytest.approx(4.0 + 0 + 1 + 2 + 12)
    assert requential_epiplexity([]) == 0.0


def test_two_parts():
    found = two_part(100.0, math.log(2), 50)
    assert found == pytest.approx((100.0, 50.0)) and found.total == pytest.approx(150.0)


def test_bad_input_is_named():
    for call, message in (
        (lambda: prequential_epiplexity([1.0, math.nan], 1.0, 1), "losses"),
        (lambda: prequential_epiplexity([1.0], [1.0, 2.0], 1), "final_loss"),
        (lambda: prequential_epiplexity([1.0], 1.0, 0), "units"),
        (lambda: requential_epiplexity([-1.0]), "divergences"),
        (lambda: pseudorandom_bound([0.0, 0.0, 0.0], [1.0, 0.0, 0.0]), "log2_q, p"),
        (lambda: pseudorandom_bound([0.0, 0.0], [1.0, 0.0]), "sum to one at most"),
        (lambda: scaling_law_epiplexity(LANGUAGE._replace(beta=1.0), 1e12, 1e25), "beta below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def every_string():
    return (np.arange(4096)[:, None] >> np.arange(11, -1, -1) & 1).astype(np.uint8)


def law_of(kind):
    p = np.zeros(4096)
    np.add.at(p, toy_generator(kind).astype(int) @ (1 << np.arange(11, -1, -1)), 1 / 64)
    return p


def test_the_bound_on_toy_generators():
    uniform = np.full(4096, -12.0)
    for kind in ("register", "repeat", "sha", "multiply"):
        found = pseudorandom_bound(uniform, law_of(kind))
        assert found == pytest.approx((12.0, 0.0, 10.0))
    models = {k: np.array([-kt_code(x, k).total for x in every_string()]) for k in (0, 1, 2)}
    found = pseudorandom_bound(models[0], law_of("sha"))
    assert found == pytest.approx((13.304064, 0.02392578125, 9.712890625), abs=1e-6)
    assert pseudorandom_bound(models[1], law_of("multiply"))[:2] == pytest.approx((11.3104, 0.3708), abs=5e-5)
    assert pseudorandom_bound(models[2], law_of("repeat"))[:2] == pytest.approx((11.7854, 0.1338), abs=5e-5)
    bits = every_string()
    right = (bits[:, 6:] == (bits[:, :6] ^ bits[:, 1:7])).sum(1)
    knows = -6 + right * math.log2(0.98) + (6 - right) * math.log2(0.02)
    assert pseudorandom_bound(knows, law_of("register")) == pytest.approx(
        (6.1749, 0.984375, -1.8125), abs=5e-5
    )
    assert pseudorandom_bound(knows, law_of("sha"))[:2] == pytest.approx((23.4577, 0.0), abs=5e-5)


@pytest.mark.parametrize(
    ("law", "limit", "structure", "noise"),
    [
        (ScalingLaw(0.331, 0.566, 80, 2.66e6, 3.14), 1.3152e9, 1.1895e9, 4.5318e12),
        (ScalingLaw(0.307, 0.820, 280, 8.94e7, 2.68), 3.1464e9, 2.9068e9, 3.8688e12),
        (ScalingLaw(0.258, 0.399, 63, 1.95e6, 2.30), 5.0466e9, 4.5037e9, 3.3295e12),
        (ScalingLaw(0.322, 0.441, 2.7e4, 4.44e7, 4.23), 1.3699e10, 1.2632e10, 6.1259e12),
        (ScalingLaw(0.287, 0.560, 1.9e4, 1.63e8, 3.32), 1.3891e10, 1.2433e10, 4.8101e12),
        (ScalingLaw(0.428, 0.718, 3.7e4, 1.79e8, 1.15), 7.4920e9, 7.2439e9, 1.6631e12),
        (LANGUAGE, 8.9965e10, 7.9468e10, 2.7196e12),
    ],
)
def test_the_table_of_scaling_laws(law, limit, structure, noise):
    assert law.structure(1e12) == pytest.approx(limit, rel=1e-4)
    found = scaling_law_epiplexity(law, 1e12, 1e25)
    assert (found.structure, found.noise) == pytest.approx((structure, noise), rel=1e-4)
    if law is LANGUAGE:
        assert (found.D, found.N) == pytest.approx((8.4071e11, 1.4196e12), rel=1e-3)
