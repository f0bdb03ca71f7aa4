"""The credit rules inside TRL's trainer, on the reasoner and Countdown: the numbers that TRL trains with."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import torch
import trl
from datasets import Dataset

from entropylab.models import load
from entropylab.reasoning import (
    Credit,
    EntropyMask,
    SemanticEntropyScale,
    cluster_by_answer,
    cluster_entropy,
    entropy_mask,
    group_advantages,
    policy_loss,
    score,
    seed_weight,
    trl_trainer,
)
from entropylab.reasoning.credit import ConstantScale
from entropylab.reasoning.trl_trainer import CreditGRPOTrainer
from entropylab.sources.tasks.calculator import calculate
from entropylab.sources.tasks.countdown import answer_of, problems

PROMPTS, GROUP = 4, 4
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:'pin_memory':UserWarning")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No telemetry, and an error where anything calls out all the same."""

    def refuse(*address):
        raise AssertionError(f"a connection to {address} was tried")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Steps are small: threads would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def reasoner():
    return load("lab/reasoner")


def answer(text):
    try:
        return calculate(answer_of(text.split()))
    except ValueError:
        return None


def right(completions, target, **columns):
    return [float(answer(text) == number) for text, number in zip(completions, target, strict=True)]


def examples(tokenizer):
    """Easy problems, so that most groups have right and wrong answers."""
    easy = [problem for problem in problems("train") if len(problem.solutions) >= 3][:40]
    return Dataset.from_list(
        [
            {
                "prompt": f"{tokenizer.bos_token}{' '.join(map(str, problem.digits))} -> {problem.target} : ",
                "target": problem.target,
            }
            for problem in easy
        ]
    )


def settings(**changes):
    """Two generation batches of two micro-batches, an update each: the second is off its policy."""
    defaults = {
        "activation_checkpointing": False,
        "bf16": False,
        "disable_tqdm": True,
        "epsilon_high": 0.28,
        "learning_rate": 3e-4,
        "logging_steps": 1,
        "loss_type": "bnpo",
        "max_completion_length": 60,
        "max_steps": 4,
        "num_generations": GROUP,
        "per_device_train_batch_size": PROMPTS * GROUP // 2,
        "save_strategy": "no",
        "steps_per_generation": 2,
        "use_cpu": True,
    }
    return trl.GRPOConfig("runs", **defaults | changes)


class Recorder:
    """Keeps what the loss was computed from; goes in front of a trainer."""

    def __init__(self, *arguments, **named):
        self.batches, self.seen, self.texts = [], [], []
        super().__init__(*arguments, **named)

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        self.batches.append({key: output[key].clone() for key in ("completion_ids", "advantages")})
        return output

    def _calculate_rewards(self, inputs, prompts, completions, *rest):
        rewards = super()._calculate_rewards(inputs, prompts, completions, *rest)
        self.texts.append((completions, rewards[:, 0]))
        return rewards

    def _get_per_token_logps_and_entropies(self, *arguments, **named):
        found = super()._get_per_token_logps_and_entropies(*arguments, **named)
        self.current = found[0], found[1]
        return found

    def get_high_entropy_mask(self, *arguments):
        self.weights = super().get_high_entropy_mask(*arguments)
        return self.weights

    def compute_loss(self, model, inputs, **named):
        self.weights = None
        loss = super().compute_loss(model, inputs, **named)
        log_probs, entropy = self.current
        if not loss.requires_grad:  # an evaluation
            return loss
        gradient = torch.autograd.grad(loss, log_probs, retain_graph=True)[0]
        fresh = score(model, inputs["prompt_ids"], inputs["completion_ids"], inputs["completion_mask"].bool())
        inside = inputs["completion_mask"].bool()
        assert torch.allclose(fresh.log_probs[inside], log_probs[inside], atol=1e-4)
        assert torch.allclose(fresh.entropy[inside], entropy[inside], atol=1e-4)
        found = {"loss": loss, "log_probs": log_probs, "entropy": entropy, "gradient": gradient}
        self.seen.append({key: value.detach().clone() for key, value in found.items()} | inputs)
        self.seen[-1]["weights"] = None if self.weights is None else self.weights.clone()
        return loss


class Recorded(Recorder, CreditGRPOTrainer):
    pass


class RecordedPlain(Recorder, trl.GRPOTrainer):
    pass


def train(reasoner, kind=Recorded, config=None, **named):
    model, tokenizer = reasoner
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = kind(
            copy.deepcopy(model),
            right,
            config or settings(),
            train_dataset=examples(tokenizer),
            processing_class=tokenizer,
            **named,
        )
        trainer.train()
    return trainer


def weights_of(trainer):
    return torch.cat([parameter.detach().flatten() for parameter in trainer.model.parameters()])


def expected(step, **changes):
    """Our loss on the tensors that TRL saw, and its gradient."""
    log_probs = step["log_probs"].clone().requires_grad_()
    old = step.get("old_per_token_logps", step["log_probs"])
    arguments = {"aggregation": "bnpo", "token_weights": step["weights"]} | changes
    loss = policy_loss(log_probs, old, step["advantages"], step["completion_mask"].bool(), **arguments)
    loss.backward()
    return loss.item(), log_probs.grad


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"loss_type": "dapo", "steps_per_generation": None, "gradient_accumulation_steps": 2, "max_steps": 2},
        {"top_entropy_quantile": 0.2},
    ],
)
def test_plain_credit_is_plain_grpo(reasoner, config):
    plain = train(reasoner, RecordedPlain, settings(**config))
    ours = train(reasoner, Recorded, settings(**config), credit=Credit())
    assert [step["loss"].item() for step in ours.seen] == [step["loss"].item() for step in plain.seen]
    assert torch.equal(weights_of(ours), weights_of(plain))
    assert not torch.equal(weights_of(ours), torch.cat([p.flatten() for p in reasoner[0].parameters()]))
    assert [log.get("grad_norm") for log in ours.state.log_history] == [
        log.get("grad_norm") for log in plain.state.log_history
    ]


@pytest.mark.parametrize("choice", ["top", "bottom", "random"])
def test_a_mask_gives_our_loss_over_kept_tokens(reasoner, choice):
    trainer = train(reasoner, credit=EntropyMask(0.2, choice=choice))
    off_policy = False
    for step in trainer.seen:
        mask, kept = step["completion_mask"].bool(), step["weights"] > 0
        top = entropy_mask(step["entropy"], mask, 0.2)
        if choice == "top":
            assert torch.equal(kept, top)
        elif choice == "bottom":
            assert torch.equal(kept, mask & ~top)
        else:
            assert kept.sum() == top.sum() and not (kept & ~mask).any() and not torch.equal(kept, top)
        loss, gradient = expected(step, aggregation="kept", token_weights=kept.float())
        assert step["loss"].item() == pytest.approx(loss, rel=1e-5, abs=1e-7)
        assert torch.allclose(step["gradient"], gradient, rtol=1e-4, atol=1e-8)
        assert step["gradient"][kept].abs().sum() > 0 and not step["gradient"][~kept].any()
        old = step["old_per_token_logps"]
        off_policy |= bool((step["log_probs"] - old)[mask].abs().max() > 0.01)
    assert off_policy  # so that ratios, and their clipping, are in what was compared
    shares = [log["credit/kept_tokens"] for log in trainer.state.log_history if "credit/kept_tokens" in log]
    assert len(shares) == 4
    assert shares == pytest.approx([0.8 if choice == "bottom" else 0.2] * 4, abs=0.005)


def test_accumulated_micro_batches_are_averaged(reasoner):
    config = settings(steps_per_generation=None, gradient_accumulation_steps=2, max_steps=2)
    trainer = train(reasoner, config=config, credit=EntropyMask(0.2))
    assert len(trainer.seen) == 4
    for step in trainer.seen:
        loss, gradient = expected(step, aggregation="kept", token_weights=(step["weights"] > 0).float())
        assert step["loss"].item() == pytest.approx(loss / 2, rel=1e-5, abs=1e-7)
        assert torch.allclose(step["gradient"], gradient / 2, rtol=1e-4, atol=1e-8)


def test_no_rule_touches_the_divergence_from_the_reference(reasoner):
    config = settings(beta=0.5, use_bias_correction_kl=False, max_steps=3)
    trainer = train(reasoner, config=config, credit=EntropyMask(0.2))
    for number, step in enumerate(trainer.seen):
        kept = (step["weights"] > 0).float()
        reference = {"kl_coefficient": 0.5, "reference_log_probs": step["ref_per_token_logps"]}
        policy, gradient = expected(step, aggregation="kept", token_weights=kept)
        silent = step | {"advantages": torch.zeros_like(step["advantages"])}
        divergence, more = expected(silent, token_weights=None, **reference)
        assert (divergence > 1e-4) == (number > 0)  # the reference is where the run began
        assert step["loss"].item() == pytest.approx(policy + divergence, rel=1e-5, abs=1e-6)
        assert torch.allclose(step["gradient"], gradient + more, rtol=1e-4, atol=1e-7)


def test_trls_own_mask_is_the_rule_with_its_quantile_and_its_normaliser(reasoner):
    theirs = train(reasoner, RecordedPlain, settings(top_entropy_quantile=0.2))
    ours = train(reasoner, credit=EntropyMask(0.2, rule="quantile"), normaliser="all")
    assert torch.equal(weights_of(ours), weights_of(theirs))
    kept = train(reasoner, credit=EntropyMask(0.2, rule="quantile"))
    ratio = kept.seen[0]["loss"] / ours.seen[0]["loss"]
    assert ratio.item() == pytest.approx(5, rel=0.02)  # the micro-batch's tokens over a fifth of them


@pytest.mark.parametrize("config", [{"loss_type": "dr_grpo", "scale_rewards": "none"}, {}])
def test_advantages_are_scaled_by_the_entropy_of_the_answers(reasoner, config):
    trainer = train(
        reasoner, config=settings(**config), credit=SemanticEntropyScale(alpha=1.0), answer=answer
    )
    for number, (texts, rewards) in enumerate(trainer.texts):
        groups = [[answer(text) for text in texts[p * GROUP : (p + 1) * GROUP]] for p in range(PROMPTS)]
        entropies = [cluster_entropy(cluster_by_answer(group)) for group in groups]
        factors = seed_weight(np.array(entropies), GROUP, alpha=1.0)
        assert factors.max() - factors.min() > 0.1
        plain = group_advantages(rewards.view(PROMPTS, GROUP), scale=config.get("scale_rewards", "group"))
        used = trainer.batches[number]["advantages"]
        assert torch.allclose(used, (plain * torch.from_numpy(factors).float()[:, None]).flatten(), atol=1e-6)
        # The two micro-batches of the loss are this batch, shuffled.
        steps = trainer.seen[2 * number : 2 * number + 2]
        shuffled = torch.cat([step["advantages"] for step in steps])
        assert torch.equal(shuffled.sort().values, used.sort().values)
        for step in steps:
            aggregation = "dr_grpo" if config else "bnpo"
            loss, gradient = expected(step, aggregation=aggregation, max_tokens=60)
            assert step["loss"].item() == pytest.approx(loss, rel=1e-5, abs=1e-7)
            assert torch.allclose(step["gradient"], gradient, rtol=1e-4, atol=1e-8)
    scales = [
        log["credit/advantage_scale"] for log in trainer.state.log_history if "credit/advantage_scale" in log
    ]
    assert len(scales) == 2 and 0 < max(scales) < 1


def test_permuted_factors_are_those_of_other_prompts(reasoner):
    plain, permuted = (
        train(reasoner, credit=SemanticEntropyScale(alpha=1.0, permuted=p), answer=answer)
        for p in (False, True)
    )
    assert plain.texts[0][0] == permuted.texts[0][0]
    rewards = plain.texts[0][1].view(PROMPTS, GROUP)
    mixed = rewards.std(1) > 0
    assert mixed.sum() > 1
    sizes = [
        (t.batches[0]["advantages"].view(PROMPTS, GROUP) / group_advantages(rewards))[mixed, 0]
        for t in (plain, permuted)
    ]
    assert not torch.allclose(*sizes)
    assert torch.allclose(sizes[0].sort().values, sizes[1].sort().values)


def test_a_constant_scales_the_loss(reasoner):
    plain, scaled = train(reasoner, credit=Credit()), train(reasoner, credit=ConstantScale(0.25))
    assert plain.seen[0]["loss"].abs() > 1e-3
    assert scaled.seen[0]["loss"].item() == pytest.approx(0.25 * plain.seen[0]["loss"].item(), rel=1e-5)
    assert torch.allclose(scaled.seen[0]["gradient"], 0.25 * plain.seen[0]["gradient"], rtol=1e-5)


class TokensAsAdvantages(Credit):
    """Shows where the advantages of single tokens end up."""

    def advantages(self, advantages, batch, generator):
        self.rollouts = batch.rollouts
        return (batch.rollouts.tokens / 100).view(*advantages.shape, -1)


def test_advantages_of_tokens_stay_with_their_tokens(reasoner):
    rule = TokensAsAdvantages()
    trainer = train(reasoner, credit=rule)
    complete, lengths = rule.rollouts.complete, rule.rollouts.lengths
    assert complete.any() and not complete.all() and (lengths[~complete] == 60).all()
    ends = rule.rollouts.tokens.gather(1, lengths[:, None] - 1)[:, 0]
    assert torch.equal(ends == reasoner[1].eos_token_id, complete)
    for step in trainer.seen:
        assert torch.equal(step["advantages"], step["completion_ids"] / 100)
        loss, gradient = expected(step)
        assert step["loss"].item() == pytest.approx(loss, rel=1e-5, abs=1e-7)
        assert torch.allclose(step["gradient"], gradient, rtol=1e-4, atol=1e-8)


class ByEntropy(Credit):
    """Reads statistics of the rollouts, and weighs tokens by their entropy."""

    def advantages(self, advantages, batch, generator):
        self.rollouts = batch.rollouts
        return advantages[..., None] * batch.rollouts.entropy.view(*advantages.shape, -1)

    def token_weights(self, entropy, mask, generator):
        return entropy


def test_rules_may_read_the_statistics_of_the_rollouts(reasoner):
    rule = ByEntropy()
    trainer = train(reasoner, credit=rule, rollout_statistics=True, config=settings(max_steps=1))
    with torch.no_grad():
        fresh = score(reasoner[0], rule.rollouts.prompts, rule.rollouts.tokens, rule.rollouts.mask)
    assert torch.allclose(fresh.log_probs, rule.rollouts.log_probs, atol=1e-4)
    assert torch.allclose(fresh.entropy, rule.rollouts.entropy, atol=1e-4)
    (step,) = trainer.seen
    loss, gradient = expected(
        step, aggregation="kept", token_weights=step["entropy"] * step["completion_mask"]
    )
    assert step["loss"].item() == pytest.approx(loss, rel=1e-5, abs=1e-7)
    assert torch.allclose(step["gradient"], gradient, rtol=1e-4, atol=1e-8)
    with pytest.raises(ValueError, match=r"not finite; .* set rollout_statistics=True"):
        train(reasoner, credit=ByEntropy(), config=settings(max_steps=1))


class Counting(EntropyMask):
    asked = 0

    def token_weights(self, entropy, mask, generator):
        type(self).asked += 1
        return super().token_weights(entropy, mask, generator)


def test_evaluation_is_plain(reasoner):
    losses = []
    for kind, named in ((RecordedPlain, {}), (Recorded, {"credit": Counting(0.2)})):
        trainer = train(
            reasoner,
            kind,
            settings(max_steps=1, learning_rate=0.0),
            eval_dataset=examples(reasoner[1]).select(range(2)),
            **named,
        )
        losses.append(trainer.evaluate()["eval_loss"])
    assert losses[0] == losses[1] and Counting.asked == 1


class Given(Credit):
    def __init__(self, weights):
        self.given = weights

    def token_weights(self, entropy, mask, generator):
        return self.given


class WrongAdvantages(Credit):
    def advantages(self, advantages, batch, generator):
        return advantages[:, :1]


@pytest.mark.parametrize(
    ("named", "config", "error", "message"),
    [
        ({"credit": EntropyMask}, {}, TypeError, "credit: got <class"),
        ({"credit": Credit(), "normaliser": "half"}, {}, ValueError, "normaliser: got 'half'"),
        (
            {"credit": EntropyMask()},
            {"loss_type": "dapo"},
            ValueError,
            "loss_type: got 'dapo', allowed is 'bnpo'",
        ),
        (
            {"credit": EntropyMask()},
            {"top_entropy_quantile": 0.5},
            ValueError,
            "top_entropy_quantile: got 0.5",
        ),
        ({"credit": SemanticEntropyScale()}, {}, ValueError, "answer: got None"),
        (
            {"credit": WrongAdvantages()},
            {},
            ValueError,
            r"advantages of shape \(4, 1\), allowed are \(4, 4\)",
        ),
        ({"credit": Given(torch.ones(3))}, {}, ValueError, r"weights of shape \(3,\)"),
    ],
)
def test_wrong_settings_are_refused(reasoner, named, config, error, message):
    with pytest.raises(error, match=message):
        train(reasoner, CreditGRPOTrainer, settings(**config), **named)


def test_a_rule_without_weights_in_a_batch_keeps_all(reasoner):
    plain, without = train(reasoner, credit=Credit()), train(reasoner, credit=Given(None))
    assert torch.equal(weights_of(plain), weights_of(without))


def test_another_trl_is_refused(reasoner, monkeypatch):
    with monkeypatch.context() as patch:
        patch.delattr(trl.GRPOTrainer, "get_high_entropy_mask")
        with pytest.raises(RuntimeError, match=r"has no GRPOTrainer.get_high_entropy_mask\(self, entropies"):
            train(reasoner, CreditGRPOTrainer, credit=Credit())
    with monkeypatch.context() as patch:
        patch.setattr(trl.GRPOTrainer, "_compute_loss", lambda self, model, inputs: torch.zeros(()))
        with pytest.raises(RuntimeError, match="does not apply get_high_entropy_mask"):
            train(reasoner, CreditGRPOTrainer, credit=EntropyMask())


def test_conversations_are_read_too():
    assert trl_trainer._text([{"role": "assistant", "content": "ans 3"}]) == "ans 3"
    assert trl_trainer._text([{"role": "assistant", "content": None}]) == trl_trainer._text([]) == ""


def test_the_example_of_the_documentation_runs(capsys):
    start = trl_trainer.__doc__.index("    from datasets")
    code = textwrap.dedent(trl_trainer.__doc__[start : trl_trainer.__doc__.index("\nFor Wang")])
    names = {}
    exec(compile(code, "the documentation", "exec"), names)
    assert names["trainer"].state.global_step == 2
    assert "credit/kept_tokens" in names["trainer"].state.log_history[0]


def test_the_package_does_not_import_trl():
    program = "import entropylab.reasoning, sys; print([n for n in ('trl', 'datasets') if n in sys.modules])"
    answered = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answered.stdout.strip() == "[]"


PROCESS = """
import json, pathlib, runpy, sys
folder = pathlib.Path(sys.argv[1])
here = runpy.run_path(sys.argv[2])
reasoner, trainers = here["load"]("lab/reasoner"), []
config = lambda: here["settings"](per_device_train_batch_size=6, steps_per_generation=1, max_steps=1)
for credit in (here["SemanticEntropyScale"](alpha=1.0), here["TokensAsAdvantages"]()):
    trainers.append(here["train"](reasoner, config=config(), credit=credit, answer=here["answer"]))
scaled, tokens = trainers
(texts, rewards), = scaled.texts
state = scaled.accelerator.process_index, {
    "texts": texts, "rewards": rewards.tolist(), "advantages": scaled.batches[0]["advantages"].tolist(),
    "aligned": all(here["torch"].equal(b["advantages"], b["completion_ids"] / 100) for b in tokens.batches),
    "width": tokens.batches[0]["completion_ids"].shape[1],
    "end": float(here["weights_of"](scaled).double().norm()),
}
(folder / f"{state[0]}.json").write_text(json.dumps(state[1]))
"""


def test_two_processes_share_groups(tmp_path):
    """Six completions each, of three prompts: the second prompt's are in both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path), __file__],
            env=os.environ
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    printed = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], printed
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    texts = first["texts"] + second["texts"]
    assert first["rewards"] == second["rewards"] and len(texts) == 12
    clusters = [cluster_by_answer([answer(text) for text in texts[p : p + 4]]) for p in (0, 4, 8)]
    factors = torch.from_numpy(seed_weight(cluster_entropy(np.stack(clusters)), 4, alpha=1.0))
    plain = group_advantages(torch.tensor(first["rewards"]).view(3, 4))
    used = torch.tensor(first["advantages"] + second["advantages"]).view(3, 4)
    assert plain[1].any() and torch.allclose(used.double(), plain * factors[:, None], atol=1e-6)
    assert first["aligned"] and second["aligned"] and first["width"] != second["width"]
    assert first["end"] == second["end"]
