"""Did this model write this text? Tests with a guaranteed rate of false alarms.

Radvand, Abdolmaleki, Mostagir and Tewari (2025), *Zero-Shot Statistical Tests for LLM-Generated Text Detection using
Finite Sample Concentration Inequalities*. Two methods (results T3 and T4 of the book's chapter
``concentration_tests``):

- ``"eprocess"``: the mixture of likelihood ratios of the tempered model to the model is a nonnegative martingale of
  mean 1 if the model wrote the text. By Ville's inequality it ever reaches ``1 / alpha`` with probability at most
  alpha. It needs no bound on anything, and one may stop at any time.
- ``"subgamma"``: the gap between entropy and log-perplexity at a length fixed beforehand, with tails bounded by the
  largest varentropy of a distribution on K tokens. Loose, and about the same for every model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from entropylab.detection.bounds import gap_threshold, varentropy_max
from entropylab.detection.evidence import TokenEvidence, text_evidence, token_evidence
from entropylab.detection.renyi_cgf import LAMBDAS, check_lambdas
from entropylab.information.backends import as_array, backend_for, kernels_of, launching
from entropylab.kernels import Concentration

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

METHODS = ("eprocess", "subgamma")

SAMPLING = (
    "every token was drawn from the model's full next-token distribution, at temperature 1: no top-k, no nucleus, "
    "no penalty, no minimum length"
)
CONTEXT = "the ids scored are those sampled, each after exactly the context that it was sampled with"
ASSUMPTIONS = {
    "eprocess": (
        SAMPLING,
        CONTEXT,
        "alpha holds for one text and one model, however the moment of stopping is chosen",
    ),
    "subgamma": (
        SAMPLING,
        CONTEXT,
        "the number of tokens was fixed beforehand; K counts the tokens that the sampler can emit",
        "alpha holds for one text and one model",
    ),
}


@dataclass(frozen=True)
class ConcentrationResult:
    """What a test says of a text, or of each text of a batch: then all but the settings are arrays [B].

    Attributes
    ----------
    method : str
    alpha : float
        Level: the largest probability of rejecting a text that the model wrote.
    tokens : int
        N.
    gap : float
        ``T = h - L``, nats a token; NaN without tokens.
    standardised : float
        z, the gap in standard deviations under the model.
    statistic : float
        What is compared with the bound: the largest logarithm of the mixture e-value so far (``eprocess``), or
        the gap (``subgamma``).
    bound : float or tuple of float
        ``ln(1 / alpha)``; or the two thresholds of the gap, (for unlikely text, below 0; for likely text).
    p_value : float
        Valid at any time for ``eprocess``; at the fixed length for ``subgamma``. Two-sided.
    e_value : float
        The mixture e-value after the last token; its mean is 1 if the model wrote the text. NaN for ``subgamma``
        without a cgf.
    reject : bool
        Whether "the model wrote it" is rejected.
    stopping_time : int
        Tokens read when the e-process first reached the bound; -1 if never, and for ``subgamma``.
    assumptions : tuple of str
        What the guarantee relies on.
    """

    method: str
    alpha: float
    tokens: Any
    gap: Any
    standardised: Any
    statistic: Any
    bound: Any
    p_value: Any
    e_value: Any
    reject: Any
    stopping_time: Any
    assumptions: tuple[str, ...]


def concentration_test(
    evidence: TokenEvidence,
    offsets: Any = None,
    *,
    mask: Any = None,
    alpha: float = 0.05,
    method: str = "eprocess",
    vocabulary: int | None = None,
    lambdas: Sequence[float] = LAMBDAS,
    weights: Sequence[float] | None = None,
) -> ConcentrationResult:
    """Test of each text whether the model wrote it.

    Parameters
    ----------
    evidence : TokenEvidence
        Arrays or tensors [B, N], or flat [n]; ``cgf`` has one dimension more.
    offsets : int array [B + 1], optional
        For flat arrays: text ``b`` has the tokens ``offsets[b]`` to ``offsets[b + 1] - 1``. By default all is one
        text.
    mask : bool array [B, N], optional
        For arrays [B, N]: which tokens count (not the prompt, not the padding).
    alpha : float
        In (0, 1), for each text. When many texts or models are tested, divide it.
    method : {"eprocess", "subgamma"}
    vocabulary : int, optional
        K, the number of tokens that the sampler can emit; needed by ``"subgamma"``.
    lambdas, weights : sequence of float, optional
        Grid of the e-process, which must be that of ``evidence.cgf``, and the weights of the mixture, positive
        with sum 1; equal by default.

    Returns
    -------
    ConcentrationResult of NumPy arrays [B].

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it.

    Notes
    -----
    Computed by the concentration kernel of the device that the arrays lie on. A text's figures do not depend on
    the other texts.
    """
    alpha = _check_alpha(alpha)
    _check_method(method, vocabulary)
    figures = concentration_figures(
        evidence, offsets, mask=mask, alpha=alpha, vocabulary=vocabulary, lambdas=lambdas, weights=weights
    )
    with np.errstate(over="ignore"):
        e_value = np.exp(figures.log_mixture)
    bound: Any = -math.log(alpha)
    if method == "eprocess":
        statistic = figures.log_supremum
        p_value = np.exp(-figures.log_supremum)
        reject, stopping_time = figures.stopping_time >= 0, figures.stopping_time
    else:
        assert vocabulary is not None
        statistic = figures.gap
        bound = gap_bounds(alpha, figures.length, vocabulary)
        p_value = np.minimum(1.0, 2.0 * np.minimum(figures.p_unlikely, figures.p_likely))
        reject, stopping_time = p_value <= alpha, np.full_like(figures.length, -1)
    return ConcentrationResult(
        method=method,
        alpha=alpha,
        tokens=figures.length,
        gap=figures.gap,
        standardised=figures.standardised,
        statistic=statistic,
        bound=bound,
        p_value=p_value,
        e_value=e_value,
        reject=reject,
        stopping_time=stopping_time,
        assumptions=ASSUMPTIONS[method],
    )


def concentration_figures(
    evidence: TokenEvidence,
    offsets: Any = None,
    *,
    mask: Any = None,
    alpha: float = 0.05,
    vocabulary: int | None = None,
    lambdas: Sequence[float] = LAMBDAS,
    weights: Sequence[float] | None = None,
) -> Concentration:
    """All that the kernel says of each text: sums, gap, tail bounds, e-values of the grid, stopping time.

    Parameters
    ----------
    evidence, offsets, mask, alpha, vocabulary, lambdas, weights
        As for :func:`concentration_test`. Without a vocabulary the two tail bounds are 1.

    Returns
    -------
    Concentration of NumPy arrays [B].

    Raises
    ------
    TypeError, ValueError
        As :func:`concentration_test`.
    """
    alpha = _check_alpha(alpha)
    grid = check_lambdas(lambdas)
    log_weights = _log_weights(weights, len(grid))
    flat, places = _ragged(evidence, offsets, mask, len(grid))
    factor = math.inf if vocabulary is None else varentropy_max(vocabulary)
    name = backend_for(flat.surprisal)
    if name == "torch":  # a device without kernels of its own
        flat, name = TokenEvidence(*(x.cpu() for x in flat)), "cpu"
    device = flat.surprisal.device
    with launching(flat.surprisal, name) as stream:
        found = kernels_of(name).concentration(
            *(as_array(x) for x in flat),
            as_array(torch.from_numpy(places).to(device)),
            grid,
            log_weights,
            -math.log(alpha),
            factor,
            **stream,
        )
        # By way of torch, whose copy waits for its current stream.
        return Concentration(
            *(
                x if isinstance(x, np.ndarray) else torch.as_tensor(x, device=device).cpu().numpy()
                for x in found
            )
        )


def gap_bounds(alpha: float, tokens: Any, vocabulary: int) -> tuple[Any, Any]:
    """The two thresholds of the gap T at level alpha, two-sided (T3).

    Parameters
    ----------
    alpha : float
    tokens : int or array
        N; infinite thresholds for 0.
    vocabulary : int
        K.

    Returns
    -------
    lower, upper : float or array
        The text is rejected where ``T <= lower`` or ``T >= upper``.
    """
    count = np.asarray(tokens)
    at_least_one = np.maximum(count, 1)
    lower, upper = (
        np.where(count > 0, gap_threshold(alpha / 2, at_least_one, vocabulary, side), np.inf)
        for side in ("unlikely", "likely")  # type: ignore[arg-type]
    )
    return (-float(lower), float(upper)) if count.ndim == 0 else (-lower, upper)


class ConcentrationTest:
    """A test of one text, token by token: did this model write it?

    Parameters
    ----------
    alpha : float
        In (0, 1).
    method : {"eprocess", "subgamma"}
        ``"eprocess"`` may be looked at after every token; ``"subgamma"`` only at a length fixed beforehand.
    vocabulary : int, optional
        K, needed by ``"subgamma"``.
    lambdas, weights : sequence of float, optional
        As for :func:`concentration_test`.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import torch
    >>> test = ConcentrationTest(alpha=0.05)
    >>> logits = torch.zeros(40, 8); logits[:, 0] = 3.0
    >>> test.update(logits=logits, targets=torch.zeros(40, dtype=torch.long)).reject   # always the likeliest token
    True
    """

    def __init__(
        self,
        alpha: float = 0.05,
        method: str = "eprocess",
        *,
        vocabulary: int | None = None,
        lambdas: Sequence[float] = LAMBDAS,
        weights: Sequence[float] | None = None,
    ) -> None:
        self.alpha = _check_alpha(alpha)
        _check_method(method, vocabulary)
        self.method = method
        self.vocabulary = vocabulary
        self.lambdas = tuple(check_lambdas(lambdas).tolist())
        self._log_weights = _log_weights(weights, len(self.lambdas))
        self.reset()

    def reset(self) -> None:
        """Forget the text, and begin another."""
        self._length = 0
        self._sums = np.zeros(3)
        self._log_e = np.zeros(len(self.lambdas))
        self._supremum = 0.0
        self._stopping_time = -1

    def update(
        self,
        evidence: TokenEvidence | None = None,
        *,
        logits: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> ConcentrationTest:
        """Read further tokens of the text: their figures, or the logits that predicted them.

        Parameters
        ----------
        evidence : TokenEvidence, optional
            Flat arrays or tensors [n]; ``cgf`` [n, G] on this test's grid.
        logits : Tensor [n, V], optional
        targets : integer Tensor [n], optional
            The tokens, with ``logits``.

        Returns
        -------
        ConcentrationTest
            Itself.

        Raises
        ------
        TypeError, ValueError
            If neither or both are given, or the arrays do not fit.
        """
        if (evidence is None) == (logits is None) or (logits is None) != (targets is None):
            raise TypeError("update takes either evidence, or logits with targets")
        if evidence is None:
            assert logits is not None and targets is not None
            evidence = token_evidence(logits, targets, lambdas=self.lambdas)
        flat, _ = _ragged(evidence, None, None, len(self.lambdas))
        s, h, v, cgf = (x.detach().cpu().double().numpy() for x in flat)
        with np.errstate(invalid="ignore"):
            paths = self._log_e + (np.outer(s - h, self.lambdas) - cgf).cumsum(axis=0)
            mixtures = self._mixture(paths)
        if len(s):
            reached = np.flatnonzero(mixtures >= -math.log(self.alpha))
            if self._stopping_time < 0 and reached.size:
                self._stopping_time = self._length + int(reached[0]) + 1
            self._supremum = max(self._supremum, float(mixtures.max()))
            self._log_e = paths[-1]
            self._sums += s.sum(), h.sum(), v.sum()
            self._length += len(s)
        return self

    def test_text(
        self, text: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
    ) -> ConcentrationResult:
        """Begin anew, read a text with a model, and give the result.

        Parameters
        ----------
        text : str
        model, tokenizer
            As :func:`entropylab.models.load` gives them.

        Returns
        -------
        ConcentrationResult

        Raises
        ------
        TypeError, ValueError
            As :func:`entropylab.detection.text_evidence`.
        """
        self.reset()
        return self.update(text_evidence(text, model, tokenizer, lambdas=self.lambdas)).result()

    @property
    def tokens(self) -> int:
        """Tokens read so far."""
        return self._length

    @property
    def log_e_value(self) -> float:
        """Logarithm of the mixture e-value after the last token; 0 before the first."""
        return float(self._mixture(self._log_e)) if self._length else 0.0

    @property
    def e_value(self) -> float:
        """The mixture e-value after the last token; 1 before the first, +inf if it is too large for a float."""
        return math.exp(self.log_e_value) if self.log_e_value < 709 else math.inf

    @property
    def reject(self) -> bool:
        """Whether "the model wrote it" is rejected."""
        return bool(self.result().reject)

    def result(self) -> ConcentrationResult:
        """The state of the test after the tokens read so far.

        Returns
        -------
        ConcentrationResult
            Of Python numbers.
        """
        n = self._length
        s, h, v = self._sums.tolist()
        deviation = h - s
        gap = deviation / n if n else math.nan
        with np.errstate(divide="ignore"):
            z = 0.0 if deviation == 0.0 else float(np.divide(deviation, math.sqrt(v)))
        standardised = z if n else math.nan
        bound: Any = -math.log(self.alpha)
        statistic: float = self._supremum
        p_value, stopping_time = math.exp(-self._supremum), self._stopping_time
        if self.method == "subgamma":
            assert self.vocabulary is not None
            statistic, stopping_time = gap, -1
            bound = gap_bounds(self.alpha, n, self.vocabulary)
            p_value = self._gap_p_value(deviation)
        return ConcentrationResult(
            method=self.method,
            alpha=self.alpha,
            tokens=n,
            gap=gap,
            standardised=standardised,
            statistic=statistic,
            bound=bound,
            p_value=p_value,
            e_value=self.e_value,
            reject=stopping_time >= 0 if self.method == "eprocess" else p_value <= self.alpha,
            stopping_time=stopping_time,
            assumptions=ASSUMPTIONS[self.method],
        )

    def _gap_p_value(self, deviation: float) -> float:
        from entropylab.kernels.reference.concentration import gap_tail_bounds

        assert self.vocabulary is not None
        bounds = gap_tail_bounds(
            np.array([deviation]), np.array([self._length]), varentropy_max(self.vocabulary)
        )
        return min(1.0, 2.0 * min(float(bounds[0][0]), float(bounds[1][0])))

    def _mixture(self, log_e: NDArray[np.float64]) -> Any:
        from entropylab.kernels.reference.concentration import log_mean

        return log_mean(log_e, self._log_weights)


def _ragged(
    evidence: TokenEvidence, offsets: Any, mask: Any, grid: int
) -> tuple[TokenEvidence, NDArray[np.int64]]:
    """Flat tensors of one dtype and device, checked, and the offsets of the texts."""
    if not isinstance(evidence, tuple) or len(evidence) != 4:
        raise TypeError(f"evidence: got {type(evidence).__name__}, allowed is a TokenEvidence")
    named = {}
    for name, value in zip(TokenEvidence._fields, evidence, strict=True):
        if isinstance(value, Tensor):
            tensor = value.detach()
        else:  # torch warns of arrays that are read only, as pandas gives them
            tensor = torch.from_numpy(np.require(value, requirements="W"))
        if not tensor.is_floating_point():
            raise TypeError(f"evidence.{name}: got {tensor.dtype}, allowed are floating dtypes")
        named[name] = tensor
    double = any(t.dtype == torch.float64 for t in named.values())
    named = {k: t.to(torch.float64 if double else torch.float32) for k, t in named.items()}
    s = named["surprisal"]
    if s.ndim not in (1, 2):
        raise ValueError(f"evidence.surprisal: got shape {tuple(s.shape)}, allowed is (n,) or (B, N)")
    for name, tensor in named.items():
        wanted = (*s.shape, grid) if name == "cgf" else tuple(s.shape)
        if tuple(tensor.shape) != wanted:
            raise ValueError(f"evidence.{name}: got shape {tuple(tensor.shape)}, allowed is {wanted}")
        if tensor.device != s.device:
            raise ValueError(f"evidence.{name}: got device {tensor.device}, allowed is {s.device}")
    if s.ndim == 1:
        if mask is not None:
            raise ValueError("mask: got a mask for flat arrays, allowed is offsets")
        places = _check_offsets(np.array([0, len(s)]) if offsets is None else offsets, len(s))
        flat = TokenEvidence(**named)
    else:
        if offsets is not None:
            raise ValueError("offsets: got offsets for arrays (B, N), allowed is a mask")
        keep = _check_mask(mask, s)
        places = np.concatenate([[0], keep.sum(1).cumsum(0).cpu().numpy()]).astype(np.int64)
        flat = TokenEvidence(**{k: t[keep] for k, t in named.items()})
    _check_values(flat)
    return TokenEvidence(*(t.contiguous() for t in flat)), places


def _check_offsets(offsets: Any, tokens: int) -> NDArray[np.int64]:
    places = np.asarray(offsets.cpu() if isinstance(offsets, Tensor) else offsets)
    if places.ndim != 1 or not places.size or not np.issubdtype(places.dtype, np.integer):
        raise TypeError(
            f"offsets: got {places.dtype} of shape {places.shape}, allowed are integers of shape (B + 1,)"
        )
    if places[0] != 0 or places[-1] != tokens:
        raise ValueError(f"offsets: got {places[0]} to {places[-1]}, allowed is 0 to the {tokens} tokens")
    if (down := np.flatnonzero(np.diff(places) < 0)).size:
        raise ValueError(
            f"offsets: got {places[down[0]]} before {places[down[0] + 1]}, allowed are ascending numbers"
        )
    return np.ascontiguousarray(places, dtype=np.int64)


def _check_mask(mask: Any, like: Tensor) -> Tensor:
    if mask is None:
        return torch.ones(like.shape, dtype=torch.bool, device=like.device)
    keep = mask if isinstance(mask, Tensor) else torch.from_numpy(np.asarray(mask))
    if keep.dtype != torch.bool or keep.shape != like.shape:
        raise ValueError(
            f"mask: got {keep.dtype} of shape {tuple(keep.shape)}, allowed is bool of shape {tuple(like.shape)}"
        )
    return keep.to(like.device)


def _check_values(flat: TokenEvidence) -> None:
    """NaN anywhere, and infinity but for a surprisal, is an error that names the first token."""
    for name, tensor in zip(TokenEvidence._fields, flat, strict=True):
        if bool(tensor.sum().isfinite()):  # then every number is: one fast pass in the usual case
            continue
        bad = tensor.isnan() | tensor.isneginf() if name == "surprisal" else ~tensor.isfinite()
        if name == "cgf":
            bad = bad.any(-1)
        if bool(bad.any()):
            place = int(bad.nonzero()[0, 0])
            allowed = "numbers and +inf" if name == "surprisal" else "finite numbers"
            raise ValueError(
                f"evidence.{name}: got {tensor[place].tolist()} at token {place}, allowed are {allowed}"
            )


def _check_alpha(alpha: Any) -> float:
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < 1:
        raise ValueError(f"alpha: got {alpha!r}, allowed are numbers between 0 and 1")
    return float(alpha)


def _check_method(method: str, vocabulary: int | None) -> None:
    if method not in METHODS:
        raise ValueError(f"method: got {method!r}, allowed are {', '.join(map(repr, METHODS))}")
    if method == "subgamma" and vocabulary is None:
        raise ValueError("vocabulary: got None, the method 'subgamma' needs the number of tokens")
    if vocabulary is not None and vocabulary < 2:
        raise ValueError(f"vocabulary: got {vocabulary}, allowed is 2 or more")


def _log_weights(weights: Sequence[float] | None, grid: int) -> NDArray[np.float64]:
    if weights is None:
        return np.full(grid, -math.log(grid))
    values = np.asarray(weights, dtype=np.float64)
    if values.shape != (grid,) or not (values > 0).all() or abs(values.sum() - 1) > 1e-9:
        raise ValueError(f"weights: got {weights}, allowed are {grid} positive numbers with sum 1")
    return np.log(values)
