"""The credit rules of this package inside TRL's GRPOTrainer: for a GPU, and any model that TRL can train.

:class:`CreditGRPOTrainer` is a GRPOTrainer with one more argument, the rule. Generation, rewards, losses and everything
else are TRL's and are set by its ``GRPOConfig``. TRL is not among the requirements of this package:
``pip install 'entropylab-book[trl]'``. This run takes seconds on a CPU; a model's name on the hub in place of ``model``
and a data set with the columns that the reward reads make it a large one::

    from datasets import Dataset
    from trl import GRPOConfig

    from entropylab.models import load
    from entropylab.reasoning import EntropyMask
    from entropylab.reasoning.trl_trainer import CreditGRPOTrainer
    from entropylab.sources.tasks.calculator import calculate
    from entropylab.sources.tasks.countdown import answer_of

    def answer(text):
        try:
            return calculate(answer_of(text.split()))
        except ValueError:
            return None

    def right(completions, target, **columns):
        return [float(answer(text) == number) for text, number in zip(completions, target)]

    model, tokenizer = load("lab/reasoner")
    prompt = tokenizer.bos_token + "3 5 7 -> {} : "
    trainer = CreditGRPOTrainer(
        model,
        right,
        GRPOConfig(
            "runs/top-fifth",
            loss_type="bnpo",
            epsilon_high=0.28,
            learning_rate=1e-4,
            num_generations=8,
            per_device_train_batch_size=16,
            max_completion_length=80,
            max_steps=2,
            bf16=False,
            save_strategy="no",
        ),
        train_dataset=Dataset.from_list([{"prompt": prompt.format(n), "target": n} for n in (1, 9, 15, 22)]),
        processing_class=tokenizer,
        credit=EntropyMask(0.2),
        answer=answer,
    )
    trainer.train()

For Wang et al. (arXiv 2506.01939): ``EntropyMask(0.2)`` and ``loss_type="bnpo"``, as above. For SEED-GRPO (2505.12346):
``SemanticEntropyScale(0.02)``, ``loss_type="dr_grpo"``, ``scale_rewards="none"``, and an ``answer``.

What a mask is taken over, and what divides: a rule sees one micro-batch of one process, that is
``per_device_train_batch_size`` completions, as in the code of Wang et al.; TRL's own ``top_entropy_quantile`` takes its
threshold over all processes and divides by all tokens, so that a fifth of the tokens weighs a fifth. With
``normaliser="kept"`` the policy term is divided by the weights of its micro-batch; the terms of KL and entropy bonus,
which no rule touches, keep TRL's normaliser. Advantages are computed over the generation batch of all processes.

TRL reports the kind of run to its makers when a trainer is made. ``HF_HUB_DISABLE_TELEMETRY=1``, or
``HF_HUB_OFFLINE=1``, turns that off.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import Any, Literal, NoReturn, get_args

import torch
from torch import Tensor

from entropylab.reasoning.credit import Batch, Credit
from entropylab.reasoning.rollout import Rollouts

try:
    import trl
    from accelerate.utils import gather_object
    from trl import GRPOTrainer
except ImportError as error:
    raise ImportError("TRL is not installed: pip install 'entropylab-book[trl]'") from error

Normaliser = Literal["kept", "all"]

# What is overridden below, with the parameters that it has in the tested releases.
_HOOKS = {
    "_calculate_rewards": ["self", "inputs", "prompts", "completions", "completion_ids_list"],
    "_generate_and_score_completions": ["self", "inputs"],
    "compute_loss": ["self", "model", "inputs", "return_outputs", "num_items_in_batch"],
    "get_high_entropy_mask": ["self", "entropies", "mask", "threshold"],
}


class CreditGRPOTrainer(GRPOTrainer):
    """TRL's GRPOTrainer with a rule for who gets the credit.

    In evaluation the rule is not applied: the loss that is reported there is plain GRPO's.

    Parameters
    ----------
    *args, **kwargs
        As TRL's trainer.
    credit : Credit
        The rule. ``Credit()`` changes nothing.
    answer : callable, optional
        From the text of a completion (of a conversation: of its last message) to the parsed final answer, hashable, or
        ``None`` where there is none. Needed by rules that read answers.
    normaliser : {"kept", "all"}
        What the policy term is divided by where the rule weighs tokens: the sum of the weights, with the loss "bnpo"
        only; or what TRL divides by.
    rollout_statistics : bool
        Whether the rule reads log-probabilities and entropies of the rollouts. They cost one more pass through the
        model, and are at the temperature of the trainer. Without, they are NaN.

    Notes
    -----
    The rule's ``advantages`` gets a batch of P prompts, all those of the generation batch, with G =
    ``num_generations`` completions each. Prompts are padded at the left and completions at the right, with the pad
    token. What a tool wrote is outside the mask, and where no reward function gives a number, the reward is NaN. Every
    process computes the rule for the whole batch, with the same random numbers, and keeps its own part. A run that is
    resumed draws these numbers from the start. The table of completions that TRL logs has TRL's advantages.

    Logged beside TRL's metrics: ``credit/advantage_scale``, the sum of the sizes of the rule's advantages over that of
    the plain ones, and ``credit/kept_tokens``, the share of tokens with a weight, in the main process.

    Raises
    ------
    TypeError
        If ``credit`` is not a rule.
    ValueError
        If settings contradict each other. In training: if the rule reads answers and there is no ``answer``, or gives
        advantages or weights that are not finite or of another shape.
    RuntimeError
        If the installed TRL lacks a method that is overridden here, or does not call it.
    """

    top_entropy_quantile: float

    def __init__(
        self,
        *args: Any,
        credit: Credit,
        answer: Callable[[str], Hashable | None] | None = None,
        normaliser: Normaliser = "kept",
        rollout_statistics: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(credit, Credit):
            raise TypeError(f"credit: got {credit!r}, allowed is a rule such as EntropyMask()")
        if normaliser not in get_args(Normaliser):
            raise ValueError(f"normaliser: got {normaliser!r}, allowed are {get_args(Normaliser)}")
        for name, parameters in _HOOKS.items():
            method = getattr(GRPOTrainer, name, None)
            if method is None or list(inspect.signature(method).parameters) != parameters:
                raise _unfit(f"has no GRPOTrainer.{name}({', '.join(parameters)})")
        self.credit = credit
        self._answer, self._normaliser, self._rollout_statistics = answer, normaliser, rollout_statistics
        self._changes_advantages = type(credit).advantages is not Credit.advantages
        self._weighs_tokens = type(credit).token_weights is not Credit.token_weights
        self._rewards: Tensor | None = None
        self._answers: list[Hashable | None] = []
        self._asked = False
        super().__init__(*args, **kwargs)
        if rollout_statistics and self._is_vlm:
            raise ValueError("rollout_statistics: got True, allowed is False for a model of images")
        # One stream for all processes, and one for each.
        seed = self.args.seed
        self._batch_draws = torch.Generator().manual_seed(seed + 1_000_003)
        self._token_draws = torch.Generator().manual_seed(seed + 2_000_003 + self.accelerator.process_index)
        if self._weighs_tokens:
            if self.top_entropy_quantile < 1:
                raise ValueError(
                    f"top_entropy_quantile: got {self.top_entropy_quantile}, "
                    "allowed is 1.0 with a rule that weighs tokens"
                )
            if normaliser == "kept" and self.loss_type != "bnpo":
                raise ValueError(
                    f"loss_type: got {self.loss_type!r}, allowed is 'bnpo' with the normaliser 'kept'; "
                    "with normaliser='all', every loss is"
                )
            # Below 1, the loss asks get_high_entropy_mask what to multiply the policy term of each token by.
            self.top_entropy_quantile = 0.5

    def _calculate_rewards(
        self, inputs: list[Any], prompts: list[Any], completions: list[Any], completion_ids_list: list[Any]
    ) -> Tensor:
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        if self._answer is not None:
            self._answers = [self._answer(_text(completion)) for completion in completions]
        self._rewards = rewards
        return rewards

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        self._rewards = None
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if not (self._changes_advantages and self.model.training):
            return output
        if self._rewards is None:
            raise _unfit("does not call _calculate_rewards")
        weighted = self._rewards * self.reward_weights.to(self._rewards)
        rewards = weighted.nansum(1).masked_fill(self._rewards.isnan().all(1), torch.nan)
        plain = self.accelerator.gather(output["advantages"]).view(-1, self.num_generations)
        batch = Batch(self._rollouts(output), rewards.view_as(plain), self._grouped_answers())
        advantages = self.credit.advantages(plain, batch, self._batch_draws)
        allowed = plain.shape, (*plain.shape, batch.rollouts.tokens.shape[1])
        if advantages.shape not in allowed:
            raise ValueError(
                f"credit: {self.credit} gave advantages of shape {tuple(advantages.shape)}, allowed are "
                f"{tuple(allowed[0])} and {allowed[1]}"
            )
        if not advantages.isfinite().all():
            raise ValueError(
                f"credit: {self.credit} gave advantages that are not finite; "
                "if it reads log-probabilities or entropies, set rollout_statistics=True"
            )
        if advantages.ndim == 2 and plain.any():
            scale = advantages.abs().sum() / plain.abs().sum()
            self._metrics["train"]["credit/advantage_scale"].append(float(scale))
        rows, width = output["completion_ids"].shape
        own = advantages.flatten(0, 1)[self.accelerator.process_index * rows :][:rows]
        output["advantages"] = own if own.ndim == 1 else own[:, :width]
        return output

    def _grouped_answers(self) -> list[list[Hashable | None]]:
        if self._answer is None:
            return _NoAnswers()
        answers, size = gather_object(self._answers), int(self.num_generations)
        return [answers[start : start + size] for start in range(0, len(answers), size)]

    def _rollouts(self, output: dict[str, Any]) -> Rollouts:
        """The completions of all processes; a padded tensor may be narrower in one than in another."""
        tokens, chain = output["completion_ids"], output["completion_mask"].bool()
        lengths = chain.sum(1)
        last = tokens.gather(1, (lengths - 1).clamp_min(0)[:, None])[:, 0]
        complete = torch.isin(last, torch.tensor(self.eos_token_ids, device=last.device)) & (lengths > 0)
        mask = chain & output["tool_mask"].bool() if "tool_mask" in output else chain
        log_probs = entropy = torch.full(tokens.shape, torch.nan, device=tokens.device)
        if self._rollout_statistics:
            with torch.no_grad():
                log_probs, entropy, _ = self._get_per_token_logps_and_entropies(
                    self.model,
                    torch.cat([output["prompt_ids"], tokens], 1),
                    torch.cat([output["prompt_mask"], output["completion_mask"]], 1),
                    tokens.shape[1],
                    batch_size=self.args.per_device_train_batch_size,
                    compute_entropy=True,
                )
            log_probs, entropy = (field.float().masked_fill(~mask, 0) for field in (log_probs, entropy))
        pad = self._tokenizer.pad_token_id
        return Rollouts(
            self._all(output["prompt_ids"], pad, pad_first=True),
            self._all(tokens, pad),
            self._all(mask, False),
            self._all(log_probs, 0.0),
            self._all(entropy, 0.0),
            self.accelerator.gather(complete),
        )

    def _all(self, field: Tensor, fill: float, *, pad_first: bool = False) -> Tensor:
        padded = self.accelerator.pad_across_processes(field, dim=1, pad_index=fill, pad_first=pad_first)
        gathered: Tensor = self.accelerator.gather(padded)
        return gathered

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        """TRL's loss, with the weights of the rule in it."""
        self._asked = False
        loss: Tensor = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if self._weighs_tokens and not self._asked:
            raise _unfit("does not apply get_high_entropy_mask in the loss with these settings")
        return loss

    def get_high_entropy_mask(self, entropies: Tensor, mask: Tensor, threshold: float) -> Tensor:
        """What the policy term of each token is multiplied by: the rule's weights; TRL's mask if it has none."""
        if not self._weighs_tokens:
            own: Tensor = super().get_high_entropy_mask(entropies, mask, threshold)
            return own
        self._asked = True
        if not self.model.training:
            return mask
        weights = self.credit.token_weights(entropies.detach().float(), mask.bool(), self._token_draws)
        if weights is None:
            return mask
        if weights.shape != mask.shape:
            raise ValueError(
                f"credit: {self.credit} gave weights of shape {tuple(weights.shape)}, allowed is {tuple(mask.shape)}"
            )
        if not weights.isfinite().all():
            raise ValueError(f"credit: {self.credit} gave weights that are not finite")
        weights = weights * mask
        self._metrics["train"]["credit/kept_tokens"].append(
            float((weights > 0).sum() / mask.sum().clamp_min(1))
        )
        if self._normaliser == "kept":
            # The loss divides by the tokens of the micro-batch, so this makes it a division by the weights.
            total = weights.sum()
            weights = weights * (mask.sum() / total.where(total > 0, 1))
        return weights


class _NoAnswers(list[list[Hashable | None]]):
    """Answers that were not asked for: a rule that reads them would else see no two completions agree."""

    def _refuse(self, *_: object) -> NoReturn:
        raise ValueError("answer: got None, needed by a credit rule that reads answers")

    __iter__ = __len__ = __getitem__ = _refuse  # type: ignore[assignment]


def _text(completion: Any) -> str:
    if isinstance(completion, str):
        return completion
    return str(completion[-1]["content"] or "") if completion else ""


def _unfit(why: str) -> RuntimeError:
    return RuntimeError(f"TRL {trl.__version__} {why}; tested is TRL 1.16")
