"""The arithmetic experiment of Entropy Adaptive Decoding: two models, a set of questions, many routings at once."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from entropylab.decoding.entropy_adaptive_decoder import EntropyAdaptiveDecoder, SwitchedText
from entropylab.information import surprisal
from entropylab.information.validation import check_count
from entropylab.sources.tasks.arithmetic import Problem, corrected, grade


class ArithmeticStudy:
    """Questions for a small and a large model; each run answers all of them.

    Parameters
    ----------
    small, large : transformers.PreTrainedModel
        Two models with one vocabulary.
    tokenizer : transformers.PreTrainedTokenizerBase
        Theirs.
    problems : sequence of Problem
        P questions.
    max_new_tokens : int
        Tokens of an answer at most.
    rows_at_once : int
        Texts in one batch at most (one run stays together); less needs less memory.

    Raises
    ------
    ValueError
        If there is no problem, or a number is below 1.
    """

    def __init__(
        self,
        small: PreTrainedModel,
        large: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        problems: Sequence[Problem],
        *,
        max_new_tokens: int = 80,
        rows_at_once: int = 800,
    ) -> None:
        if not problems:
            raise ValueError("problems: got none, allowed is at least one")
        self.small, self.large, self.tokenizer = small, large, tokenizer
        self.problems = list(problems)
        self.tokens = check_count(max_new_tokens, "max_new_tokens")
        self.runs_at_once = max(1, check_count(rows_at_once, "rows_at_once") // len(self.problems))
        prompts = [self._encode(problem.question, start=True) for problem in self.problems]
        width = max(map(len, prompts))
        self.ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(p)) + p for p in prompts])
        self.valid = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])

    def alone(self) -> tuple[SwitchedText, SwitchedText]:
        """Both models without the other: the small one and the large one."""
        (small,) = self.mixed([np.inf])
        (large,) = self.mixed([-np.inf], start="large")
        return small, large

    def mixed(
        self, thresholds: Sequence[float], window: int = 5, min_dwell: int = 10, **rule: str | bool
    ) -> list[SwitchedText]:
        """One run for each threshold (nats); further arguments are those of ``EntropyAdaptiveDecoder``."""
        runs: list[SwitchedText] = []
        for some in _groups(list(thresholds), self.runs_at_once):
            decoder = EntropyAdaptiveDecoder(
                self.small,
                self.large,
                np.repeat(some, len(self.problems)),
                window,
                min_dwell,
                **rule,  # type: ignore[arg-type]
            )
            runs += self._generate(decoder, len(some), None)
        return runs

    def routed(self, masks: ArrayLike) -> list[SwitchedText]:
        """One run for each mask, bool of shape (runs, P, tokens): who writes is given."""
        decoder = EntropyAdaptiveDecoder(self.small, self.large, np.inf)
        runs: list[SwitchedText] = []
        for some in _groups(list(np.asarray(masks, dtype=bool)), self.runs_at_once):
            runs += self._generate(decoder, len(some), np.concatenate(some))
        return runs

    def text(self, run: SwitchedText, row: int) -> str:
        """What was written for a question, without the end token."""
        tokens = run.tokens[row, : run.lengths[row]].tolist()
        return self.tokenizer.decode([t for t in tokens if t != self.tokenizer.eos_token_id])

    def correct(self, run: SwitchedText) -> NDArray[np.bool_]:
        """Whether the answer to each question is right, shape (P,)."""
        return np.array(
            [grade(problem, self.text(run, row)).correct for row, problem in enumerate(self.problems)]
        )

    def advantage(self, run: SwitchedText) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How much better the large model predicts the true solution, in the words of a run.

        Parameters
        ----------
        run : SwitchedText
            Gives the words; steps and answer are replaced by the true ones. Where that is not possible, the task's own
            solution is taken.

        Returns
        -------
        advantage : array of float64, shape (P, tokens)
            Surprisal under the small model minus that under the large one, nats; 0 behind the end.
        surprisal : array of float64, shape (P, tokens)
            That under the small model.
        """
        rng = random.Random(0)
        ids = torch.full((len(self.problems), self.tokens), self.tokenizer.pad_token_id)
        inside = np.zeros(ids.shape, dtype=bool)
        for row, problem in enumerate(self.problems):
            truth = corrected(problem, self.text(run, row)) or problem.solution(rng)
            tokens = [*self._encode(truth), self.tokenizer.eos_token_id][: self.tokens]
            ids[row, : len(tokens)] = torch.tensor(tokens)
            inside[row, : len(tokens)] = True
        losses = [self._surprisal(model, ids) * inside for model in (self.small, self.large)]
        return losses[0] - losses[1], losses[0]

    def _surprisal(self, model: PreTrainedModel, answers: torch.Tensor) -> NDArray[np.float64]:
        text = torch.cat([self.ids, answers], 1).to(model.device)
        valid = torch.cat([self.valid, torch.ones_like(answers)], 1).to(model.device)
        positions = (valid.cumsum(1) - 1).clamp_min(0)
        first = self.ids.shape[1]
        with torch.inference_mode():
            logits = model(input_ids=text, attention_mask=valid, position_ids=positions).logits
            return surprisal(logits[:, first - 1 : -1], text[:, first:]).double().cpu().numpy()

    def _generate(
        self, decoder: EntropyAdaptiveDecoder, runs: int, mask: NDArray[np.bool_] | None
    ) -> list[SwitchedText]:
        together = decoder.generate(
            self.ids.repeat(runs, 1), self.valid.repeat(runs, 1), max_new_tokens=self.tokens, mask=mask
        )
        size = len(self.problems)
        return [together.rows(slice(run * size, (run + 1) * size)) for run in range(runs)]

    def _encode(self, text: str, start: bool = False) -> list[int]:
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [self.tokenizer.bos_token_id, *ids] if start else ids


def _groups(items: list, size: int) -> list[list]:
    return [items[first : first + size] for first in range(0, len(items), size)]


def paired_interval(
    differences: ArrayLike, *, draws: int = 5000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean over problems.

    Parameters
    ----------
    differences : array_like of float, shape (P,)
        One number a problem, for example the difference of two routings' accuracies.
    draws : int
        Bootstrap samples.
    level : float
        Of the interval.
    seed : int
        Of the samples; two calls with as many problems draw the same ones.

    Returns
    -------
    (float, float)
        Lower and upper end.

    Raises
    ------
    ValueError
        If there is nothing to resample.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"differences: got shape {values.shape}, allowed is (P,) with P of 1 or more")
    picks = np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))
    low, high = np.quantile(values[picks].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
