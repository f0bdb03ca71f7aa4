# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Entropy Adaptive Decoding
#
# <!-- launch -->
#
# Most tokens are easy. So why should a large model write all of them? {cite:t}`simonds2025entropy` lets two models write
# one text: where the *entropy* of the next token is high the large one, elsewhere the small one. The paper reports that
# this keeps 93 to 97 % of the large model's accuracy on mathematics problems. This chapter builds the decoder for any
# two models, trains a pair that does arithmetic step by step, and asks what the abstract leaves open: would switching
# *at random* have done as well?

# %% tags=["bootstrap", "hide-input"]
from entropylab.book import bootstrap

bootstrap()

# %% tags=["card", "remove-input"]
from entropylab.book import Scorecard

card = Scorecard("entropy_adaptive_decoding")
card.header()

# %% tags=["hide-input"]
import random
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats
from transformers import LlamaConfig, LlamaForCausalLM

from entropylab.book import check, figure_style, settings, show
from entropylab.data import load_table
from entropylab.decoding.entropy_adaptive import EntropySwitch, parameter_weighted_cost, rolling_mean
from entropylab.decoding.entropy_adaptive_controls import (
    masks_from_signal,
    matched_random_masks,
    mean_by_position,
    shuffled_within,
)
from entropylab.decoding.entropy_adaptive_decoder import EntropyAdaptiveDecoder
from entropylab.decoding.entropy_adaptive_study import ArithmeticStudy, paired_interval
from entropylab.models import load
from entropylab.sources.tasks.arithmetic import Problem, grade, problems

figure_style()
S = settings(
    lab={"questions": 400, "draws": 8, "thresholds": @THRESHOLDS@, "primary": @PRIMARY@, "best": @BEST@, "rough": @ROUGH@},
    gpu={"questions": 2000, "draws": 20, "thresholds": @THRESHOLDS@, "primary": @PRIMARY@, "best": @BEST@, "rough": @ROUGH@},
)
S

# %% [markdown]
# ## The idea in one figure
#
# Two models of this project answer 400 arithmetic questions that neither has seen. Each point is one *threshold*: how
# high the entropy must be for the large model to write. To the right it writes more. The straight line joins the two
# models alone.

# %%
small, tokenizer = load("lab/arithmetic-s")
large, _ = load("lab/arithmetic-l")
study = ArithmeticStudy(small, large, tokenizer, problems("test", S.questions, 0, "free"))
small_alone, large_alone = study.alone()
sweep = dict(zip(S.thresholds, study.mixed(S.thresholds), strict=True))
accuracy = {name: study.correct(run).mean() for name, run in (("small", small_alone), ("large", large_alone))}


def usage_figure():
    """Accuracy against the share of large-model tokens, with 95 % intervals and the line of plain mixing."""
    fig, ax = plt.subplots(figsize=(7.2, 4.4))
    ax.plot([0, 1], [accuracy["small"], accuracy["large"]], "--", color="0.5", lw=1.5, label="straight line")
    points = [(run.share, study.correct(run)) for run in sweep.values()]
    x, y = np.array([share for share, _ in points]), np.array([right.mean() for _, right in points])
    ends = np.array([paired_interval(right) for _, right in points])
    ax.errorbar(x, y, yerr=abs(ends.T - y), fmt="o-", color="C0", lw=1.4, ms=6, label="entropy, by threshold")
    for share, name in ((0, "small"), (1, "large")):
        ax.plot(share, accuracy[name], "ks", ms=8)
        ax.annotate(f"{name} alone", (share, accuracy[name]), xytext=(0, -18 if share else 12), textcoords="offset points", ha="right" if share else "left")
    ax.set(xlabel="share of tokens written by the large model", ylabel="share of correct answers")
    return fig, ax


fig, ax = usage_figure()
ax.legend(loc="lower right")
show(
    fig,
    alt="Accuracy against the share of tokens written by the large model, for nine thresholds, between the small and "
    "the large model alone, with the straight line between the two.",
    caption="Nine thresholds between two models. Bars: 95 % bootstrap intervals over questions.",
)

# %% [markdown]
# ## The rule
#
# Let $H_n$ be the entropy of the next-token distribution before any sampling temperature, and
# $\bar H_n=\frac1w\sum_{i=n-w+1}^{n}H_i$ its mean over the last $w$ tokens. Let $c$ count the tokens since the last
# change of the writer. With a threshold $\tau$ and a shortest stay $d_{\min}$:
#
# $$\text{next writer}=\begin{cases}\text{large} & \bar H_n\ge\tau,\ c\ge d_{\min}\\ \text{small} & \bar H_n<\tau,\ c\ge d_{\min}\\ \text{the same as now} & c<d_{\min}.\end{cases}$$
#
# The paper has $w=5$ and $d_{\min}=10$. Nothing is verified or taken back: unlike in speculative decoding, the text may
# differ from the large model's. The cost, in tokens of the large model, is $C=f+(1-f)\,n_S/n_L$, where $f$ is the share
# of tokens that the large model writes and $n_S,n_L$ are the numbers of parameters.
#
# **What we had to assume.** Only the abstract could be read in full; the rule comes from readers' notes. What those leave
# open is an argument of `EntropySwitch` and `EntropyAdaptiveDecoder`, and these are our defaults:
#
# | open point | default | why |
# |---|---|---|
# | whose entropy | `monitor="active"`: that of the model that writes | the other does not run, else the cost formula is wrong |
# | when a decision takes effect | `variant="B"`: from the next token on | "A", the same token, needs a second forward pass at a change |
# | start | `start="small"`, `free_start=True` | switch only when unsure |
# | $\bar H=\tau$ | `ties="large"` | |
# | window at the start, and across a change | over what there is; `keep_window=True` | the mean then mixes both models' entropies |
# | decoding | greedy | the paper's temperature is unknown |
# | prompt | in neither entropy nor cost | |
# | $\tau$ | deciles of the small model's $\bar H$ on development questions | the paper's values are unknown |
#
# The paper has $\tau$ in bits; in this package everything is in nats, so a $\tau$ in bits is multiplied by $\ln 2$ once.
#
# ### From scratch

# %%
def who_writes(entropies, tau, window=5, min_dwell=10):
    """Variant B for one text whose entropies are known: S or L for each token."""
    writer, since, text = "S", min_dwell, ""
    for n in range(len(entropies)):
        text += writer  # write with the current model
        since += 1  # the token just written counts
        mean = np.mean(entropies[max(0, n - window + 1) : n + 1])
        wanted = "L" if mean >= tau else "S"
        if wanted != writer and since >= min_dwell:
            writer, since = wanted, 0
    return text


H = [0.2, 0.3, 1.8, 2.0, 2.2, 0.5, 0.4, 0.3, 0.2, 1.9, 2.1, 2.3]
print(who_writes(H, 1.0, 1, 1), who_writes(H, 1.0, 3, 1), who_writes(H, 1.0, 3, 4))

# %% [markdown]
# The package does the same for a batch. Inside the decoder each model has a key-value cache of its own. A model that
# takes over has not seen what the other wrote, and reads it first, in one pass: the *catch-up*. It is counted.

# %%
rows = np.random.default_rng(0).gamma(1, 1, (100, 60))
for window, dwell in ((1, 1), (5, 10), (20, 3)):
    mask = EntropySwitch(0.9, window, dwell).trace(rows)
    assert all("".join("SL"[x] for x in m.astype(int)) == who_writes(r, 0.9, window, dwell) for m, r in zip(mask, rows))

decoder = EntropyAdaptiveDecoder(small, large, threshold=S.primary, window=5, min_dwell=10)
run = decoder.generate(study.ids[:1], study.valid[:1], max_new_tokens=80)
print(study.problems[0].question + study.text(run, 0))
print(f"share {run.share:.2f}, switches {run.switches[0]}, passes {run.passes[0]}, caught up {run.caught_up[0]}")

# %% [markdown]
# ## The task
#
# Sums and differences of numbers with 2 to 4 digits, and products of numbers with 1 or 2, solved place by place. The
# letter in front of a digit is its place (`u` units, `t` tens, ...), so that two small models can learn to look digits
# up. Operand pairs of training, development and test questions are disjoint, in any order and for any operation. The
# last number of a text is graded.
#
# Between the steps stand words that carry nothing. In *plain* questions they are always the same. In *chatty* ones they
# are drawn from several phrasings. This matters: in plain texts, the entropy sits where the arithmetic is, by
# construction, and a router by entropy cannot go wrong. Chatty texts are the honest test, and all claims are decided
# on them. $H$ is high there where wording is free, too.

# %% tags=["hide-input"]
for kind in ("fixed", "free"):
    example = Problem(482, "+", 391, kind)
    print(example.question + example.solution(random.Random(3)))
table = {}
for name, run in (("small", small_alone), ("large", large_alone)):
    right = study.correct(run)
    by = {
        f"accuracy {sign}": right[[p.operation == sign for p in study.problems]].mean() for sign in "+-*"
    }
    unsure = np.array([h[:n].mean() for h, n in zip(run.entropy, run.lengths, strict=True)])
    table[name] = {
        "parameters": sum(p.numel() for p in (small if name == "small" else large).parameters()),
        "accuracy": right.mean(), **by, "tokens": run.lengths.mean(),
        "mean H, nats": run.entropy[run.written].mean(), "H if right": unsure[right].mean(), "H if wrong": unsure[~right].mean(),
    }  # fmt: skip
pd.DataFrame(table).T.style.format(precision=3).format("{:,.0f}", subset=["parameters"]).set_uuid("alone").set_caption(
    f"The two models alone on {S.questions} chatty test questions"
)

# %% [markdown]
# ## C6 first: does the decoder do nothing when there is nothing to do?
#
# With the small model in both roles, every threshold must give the same texts. In float32 a catch-up rounds otherwise
# than single steps, so a tie may flip; in float64 all texts must be equal. And where the entropy is constant, here of two
# models with uniform next-token distributions, there must be one decision and no second one.

# %%
few = problems("test", 100, 0, "free")
equal, different, shares = {}, [], []
for dtype in (torch.float32, torch.float64):
    twin = small.to(dtype)
    same = ArithmeticStudy(twin, twin, tokenizer, few)
    (alone,) = same.mixed([np.inf])
    runs = same.mixed(S.thresholds)
    equal[dtype] = min((r.tokens == alone.tokens).all(1).mean() for r in runs)
    if dtype == torch.float32:
        different = [abs(same.correct(r).astype(int) - same.correct(alone)).sum() for r in runs]
        shares = [r.share for r in runs]
small.to(torch.float32)

uniform = LlamaForCausalLM(LlamaConfig(**small.config.to_dict())).eval()
torch.nn.init.zeros_(uniform.lm_head.weight)
top = np.log(uniform.config.vocab_size)
flat = ArithmeticStudy(uniform, uniform, tokenizer, few[:10], max_new_tokens=40)
constant_switches = sum(
    (run.large[:, 2:] != run.large[:, 1:-1]).sum() for run in flat.mixed([0, top / 2, 0.99 * top, 1.01 * top, np.inf])
)
card.record(
    "C6",
    different_answers=max(different),
    equal_texts=equal[torch.float32],
    equal_texts_float64=equal[torch.float64],
    share_range=max(shares) - min(shares),
    constant_switches=constant_switches,
)
print(f"equal texts {equal[torch.float32]:.2%} (float32), {equal[torch.float64]:.2%} (float64); shares {min(shares):.2f} to {max(shares):.2f}")

# %% [markdown]
# ## C1: the trade-off
#
# Thresholds were chosen on 400 development questions by `experiments/decoding/entropy_adaptive_decoding.py`, and frozen;
# they stand in the settings. For C1 it is the one with the best development accuracy among those with at most 43 % of the
# tokens.

# %%
best, right = sweep[S.best], study.correct(sweep[S.best])
card.record(
    "C1",
    accuracy=right.mean(),
    accuracy_interval=paired_interval(right),
    share=best.share,
    small_accuracy=accuracy["small"],
    large_accuracy=accuracy["large"],
    kept=right.mean() / accuracy["large"],
)
line = accuracy["small"] + best.share * (accuracy["large"] - accuracy["small"])
print(f"small {accuracy['small']:.3f}, large {accuracy['large']:.3f}")
print(f"mixture {right.mean():.3f} at share {best.share:.3f}: {right.mean() / accuracy['large']:.1%} of the large model; straight line {line:.3f}")

# %% [markdown]
# ## C2: better than chance?
#
# Any mixture lies somewhere between its two models. The question is whether *this* mixture lies higher than one that
# uses the large model as often for no reason. Each question's mask is shifted around by a random amount: the same share,
# the same number of switches, at other places. The texts are then generated anew.

# %%
primary = sweep[S.primary]
masks = matched_random_masks(primary.large, primary.lengths, S.draws, np.random.default_rng(0))
draws = [run for run in study.routed(masks) if abs(run.share - primary.share) <= 0.02]
routed_right = study.correct(primary).astype(float)
random_right = np.mean([study.correct(run) for run in draws], axis=0)
card.record(
    "C2",
    difference=(routed_right - random_right).mean(),
    difference_interval=paired_interval(routed_right - random_right),
    accuracy=routed_right.mean(),
    random_accuracy=random_right.mean(),
    draws=len(draws),
    share_gap=max(abs(run.share - primary.share) for run in draws),
)
low, high = paired_interval(routed_right - random_right)
print(f"entropy {routed_right.mean():.3f}, random {random_right.mean():.3f} ({len(draws)} draws), share {primary.share:.3f}")
print(f"difference {(routed_right - random_right).mean():+.3f}, 95 % {low:+.3f} to {high:+.3f}")

# %% [markdown]
# ## C3: is it the entropy?
#
# The same switch, fed with something else, at the same usage: (a) the entropies that the mixture saw, in random order;
# (b) the mean entropy of the position over development questions, the same for all texts. And above all of them, (c),
# an *oracle*: how much better the large model predicts each token of the true solution. It needs the truth, so it is no
# method, but it shows what could be won. *Free* means without smoothing and dwell.

# %%
rule = EntropySwitch(0.0)
rng = np.random.default_rng(1)
development = ArithmeticStudy(small, large, tokenizer, problems("validation", 200, 1, "free"))
(seen,) = development.mixed([S.primary])
by_position = np.tile(mean_by_position(seen.entropy, seen.lengths), (S.questions, 1))
gain, small_loss = study.advantage(small_alone)
signals = {
    "shuffled": (shuffled_within(primary.entropy, primary.lengths, rng), rule),
    "position": (by_position, rule),
    "oracle": (gain, rule),
    "free oracle": (gain, replace(rule, window=1, min_dwell=1, variant="A")),
}
controls = dict(
    zip(
        signals,
        study.routed([masks_from_signal(s, primary.lengths, primary.share, r, rng) for s, r in signals.values()]),
        strict=True,
    )
)
right = {name: study.correct(run).astype(float) for name, run in controls.items()}
record = {}
for name in ("shuffled", "position"):
    record |= {f"minus_{name}": (routed_right - right[name]).mean(), f"minus_{name}_interval": paired_interval(routed_right - right[name])}
card.record(
    "C3",
    **record,
    share_gap=max(abs(controls[name].share - primary.share) for name in ("shuffled", "position")),
    oracle_accuracy=right["oracle"].mean(),
    free_oracle_accuracy=right["free oracle"].mean(),
    closed_share_of_free_oracle=(routed_right - random_right).mean() / (right["free oracle"] - random_right).mean(),
)
for name, run in controls.items():
    low, high = paired_interval(routed_right - right[name])
    print(f"{name:12} {right[name].mean():.3f} at share {run.share:.3f}; entropy minus this {(routed_right - right[name]).mean():+.3f} ({low:+.3f} to {high:+.3f})")

# %% tags=["hide-input"]
fig, ax = usage_figure()
band = [study.correct(run).mean() for run in draws]
ax.errorbar(primary.share, np.mean(band), yerr=[[np.mean(band) - min(band)], [max(band) - np.mean(band)]], fmt="D", color="C1", ms=7, capsize=4, label=f"random, {len(band)} draws (range)")
for (name, run), mark in zip(controls.items(), "v^*P", strict=True):
    ax.plot(run.share, right[name].mean(), mark, color="C2" if "oracle" in name else "C3", ms=10, ls="none", label=name)
ax.legend(loc="lower right", fontsize=10)
show(
    fig,
    alt="As the first figure, with routings of the same usage at the primary threshold: random masks, shuffled and "
    "positional entropies, and two oracles.",
    caption="Routings that use the large model equally often. The oracles know the true solution.",
)

# %% [markdown]
# ### Why: what does entropy predict?
#
# A router should ask the large model where it *helps*. On the true solutions, we compare the small model's entropy with
# its own loss, and with the *advantage*: its loss minus the large model's.

# %% tags=["hide-input"]
with torch.inference_mode():
    inside = small_loss != 0
wording = pd.DataFrame({"H": small_alone.entropy[inside & small_alone.written], "loss": small_loss[inside & small_alone.written], "gain": gain[inside & small_alone.written]})
correlations = {column: stats.pearsonr(wording["H"], wording[column])[0] for column in ("loss", "gain")}
deciles = wording.groupby(pd.qcut(wording["H"].rank(method="first"), 10, labels=False)).mean()

english = load_table("novel_tokens").set_index(["model", "book", "passage", "position"]).sort_index()
tokens = {m: english.loc[f"lab/english-{m}"].unstack("position") for m in ("trigram", "s")}
assert tokens["trigram"].index.equals(tokens["s"].index)
h = {m: t["entropy"].to_numpy() for m, t in tokens.items()}
loss = {m: t["surprisal"].to_numpy() for m, t in tokens.items()}
novel = pd.DataFrame({"H": h["trigram"].ravel(), "loss": loss["trigram"].ravel(), "gain": (loss["trigram"] - loss["s"]).ravel()})
novel_correlations = {column: stats.pearsonr(novel["H"], novel[column])[0] for column in ("loss", "gain")}
novel_deciles = novel.groupby(pd.qcut(novel["H"].rank(method="first"), 10, labels=False)).mean()
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.8))
for ax, means, title in ((axes[0], deciles, "arithmetic, chatty"), (axes[1], novel_deciles, "English novels")):
    ax.bar(np.arange(1, 11), means["gain"], color="C0")
    ax.set(title=title, xlabel="decile of the small model's entropy", ylabel="mean advantage, nats", xticks=range(1, 11))
show(
    fig,
    alt="Two bar charts of the mean advantage of the large model by decile of the small model's entropy, for arithmetic "
    "and for English novels.",
    caption="Where the large model helps.",
    wide=True,
)
print(f"arithmetic: r(H, own loss) {correlations['loss']:.3f}, r(H, advantage) {correlations['gain']:.3f}")
print(f"English:    r(H, own loss) {novel_correlations['loss']:.3f}, r(H, advantage) {novel_correlations['gain']:.3f}")

# %% [markdown]
# ### English, exactly
#
# A second check needs no text to be written. The table of novels that ships with the package has, token by token, the
# entropy and the surprisal of a trigram (small) and of a transformer (large) on the same 40 passages. Under a mask, the
# cost of the text is the surprisal of whoever writes. So routing by entropy can be compared with 200 shifted masks
# without noise from generation. $z$ is positive where entropy is better.

# %%
def teacher_forced(window, dwell, tau_bits, draws=200):
    mask = EntropySwitch(tau_bits * np.log(2), window, dwell).trace(h["trigram"], h["s"])
    cost = lambda m: np.where(m, loss["s"], loss["trigram"]).mean(axis=(-2, -1)) / np.log(2)  # noqa: E731
    shifted = cost(matched_random_masks(mask, np.full(len(mask), mask.shape[1]), draws, np.random.default_rng(0)))
    return {
        "share large": mask.mean(), "switches": (mask[:, 1:] != mask[:, :-1]).sum(), "bits/token": cost(mask),
        "random": shifted.mean(), "s.d.": shifted.std(ddof=1), "z": (shifted.mean() - cost(mask)) / shifted.std(ddof=1),
    }  # fmt: skip


cells = [(1, 1, 5.5), (5, 1, 5.5), (5, 10, 4.5), (5, 10, 5.0), (5, 10, 5.5), (5, 10, 6.0), (20, 10, 6.0)]
side = pd.DataFrame({f"w={w}, d={d}, τ={tau} bits": teacher_forced(w, d, tau) for w, d, tau in cells}).T
trigram_bits, large_bits = (loss[m].mean() / np.log(2) for m in ("trigram", "s"))
side.style.format(precision=3).format("{:.0f}", subset=["switches"]).format("{:+.1f}", subset=["z"]).set_uuid("side").set_caption(
    f"6,400 tokens of five novels: trigram {trigram_bits:.3f}, transformer {large_bits:.3f} bits a token; mean H {h['trigram'].mean() / np.log(2):.2f} and {h['s'].mean() / np.log(2):.2f} bits"
)

# %% [markdown]
# ## C4: what do window and dwell do?
#
# Without smoothing the writer changes at every other token, and each change costs a catch-up.

# %%
(rough,) = study.mixed([S.rough], window=1, min_dwell=1)
rough_right = study.correct(rough).astype(float)
card.record(
    "C4",
    switch_ratio=rough.switches.mean() / primary.switches.mean(),
    share_gap=abs(rough.share - primary.share),
    accuracy_difference=(routed_right - rough_right).mean(),
    accuracy_difference_interval=paired_interval(routed_right - rough_right),
    switches_smooth=primary.switches.mean(),
    switches_rough=rough.switches.mean(),
    accuracy_smooth=routed_right.mean(),
    accuracy_rough=rough_right.mean(),
)
low, high = paired_interval(routed_right - rough_right)
print(f"switches a text: {rough.switches.mean():.2f} (w=1, d=1), {primary.switches.mean():.2f} (w=5, d=10); shares {rough.share:.3f}, {primary.share:.3f}")
print(f"accuracy {rough_right.mean():.3f} and {routed_right.mean():.3f}; smoothed minus rough {(routed_right - rough_right).mean():+.3f} ({low:+.3f} to {high:+.3f})")

# %% tags=["hide-input"]
settings_run = {(1, 1): rough, (5, 10): primary}
for window, dwell in ((1, 10), (5, 1), (5, 3), (20, 10)):
    tau = float(np.quantile(rolling_mean(small_alone.entropy, window)[small_alone.written], 1 - primary.share))
    (settings_run[window, dwell],) = study.mixed([tau], window, dwell)
runs = {"small alone": small_alone, "large alone": large_alone} | {
    f"w={w}, d={d}": settings_run[w, d] for w, d in sorted(settings_run)
} | {"random, first draw": draws[0]}
sizes = [sum(p.numel() for p in m.parameters()) for m in (small, large)]
costs = pd.DataFrame(
    {
        name: {
            "accuracy": study.correct(run).mean(), "share": run.share, "switches": run.switches.mean(), "tokens": run.lengths.mean(),
            "passes small": run.passes[:, 0].mean(), "passes large": run.passes[:, 1].mean(),
            "caught up small": run.caught_up[:, 0].mean(), "caught up large": run.caught_up[:, 1].mean(),
            "cost C": parameter_weighted_cost(run.share, *sizes),
            "with catch-up": (((run.passes + run.caught_up).sum(0) * sizes).sum()) / (run.lengths.sum() * sizes[1]),
        }
        for name, run in runs.items()
    }
).T  # fmt: skip
costs.style.format(precision=2).set_uuid("costs").set_caption("Means a text. Costs in tokens of the large model, weighted by parameters.")

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.8))
names = [name for name in costs.index if name.startswith("w=")]
axes[0].bar(names, costs.loc[names, "switches"], color="C0")
axes[0].set(ylabel="switches a text")
bottom = np.zeros(len(names))
for column, colour in (("passes small", "C0"), ("passes large", "C1"), ("caught up small", "C9"), ("caught up large", "C3")):
    axes[1].bar(names, costs.loc[names, column], bottom=bottom, color=colour, label=column)
    bottom += costs.loc[names, column].to_numpy()
axes[1].set(ylabel="tokens read, a text")
axes[1].legend(fontsize=9, loc="lower right", frameon=True)
for ax in axes:
    ax.tick_params(axis="x", rotation=40)
show(
    fig,
    alt="Two bar charts over six pairs of window and dwell: switches a text, and tokens that each model reads, with the "
    "catch-up on top.",
    caption="Smoothing saves switches, and with them catch-up.",
    wide=True,
)

# %% [markdown]
# A pass that catches up reads several tokens at once, so in seconds it costs less than its tokens suggest; how much less
# depends on the machine.
#
# ## C5: the paper's savings
#
# With $f$ and the saving from the abstract, the formula tells which sizes were meant: 3B with 11B, and 1.5B with 14B.

# %%
saving = {
    (f, s, n): 1 - parameter_weighted_cost(f, s, n)
    for f, s, n in ((0.43, 3, 11), (0.43, 1, 11), (0.25, 1.5, 14), (0.25, 0.5, 14), (0.25, 3, 14), (0.25, 7, 14))
}
llama, qwen = saving[0.43, 3, 11], saving[0.25, 1.5, 14]
others = [abs(value - (0.415 if f == 0.43 else 0.67)) for (f, s, n), value in saving.items() if (s, n) not in ((3, 11), (1.5, 14))]
card.record("C5", llama_saving=llama, qwen_saving=qwen, other_pairs_miss_by=min(others))
print("\n".join(f"f = {f}, {s}B/{n}B: saving {value:.1%}" for (f, s, n), value in saving.items()))

# %% [markdown]
# If the small model had to run at every token to watch the entropy, the savings would be
# {math}`1-f-n_S/n_L`: 29.7 % and 64.3 %. The empirical half of this claim, that a larger gap between the sizes saves
# more, needs a third model and is not decided here.
#
# ## One text
#
# A chatty question at the primary threshold, $w=5$, $d_{\min}=10$. Each letter below the axis is a token.

# %% tags=["hide-input"]
row = int(np.argmax((primary.switches >= 2) & routed_right.astype(bool) & ~study.correct(small_alone)))
n = primary.lengths[row]
words = [tokenizer.decode([t]).strip() or "·" for t in primary.tokens[row, : n - 1]] + ["■"]
fig, ax = plt.subplots(figsize=(11, 3.4))
ax.bar(np.arange(n), primary.entropy[row, :n], color=np.where(primary.large[row, :n], "C1", "C0"), width=0.8)
ax.plot(rolling_mean(primary.entropy[row : row + 1, :n], 5)[0], color="k", lw=1.5, label="mean over 5 tokens")
ax.axhline(S.primary, color="0.4", ls="--", lw=1.2, label="threshold")
ax.bar(0, 0, color="C0", label="small writes")
ax.bar(0, 0, color="C1", label="large writes")
ax.set_xticks(np.arange(n), words, rotation=90, fontsize=8)
ax.set(ylabel="entropy, nats", xlim=(-1, n), title=study.problems[row].question.strip())
ax.legend(ncols=4, fontsize=9, loc="upper right")
show(
    fig,
    alt="Entropy of each token of one solution as bars, coloured by the model that wrote it, with the mean over five "
    "tokens and the threshold.",
    caption="Who wrote what. The mean crosses the threshold some tokens after the entropy has.",
    wide=True,
)

# %% [markdown]
# ## Plain questions
#
# The same pair on plain questions, whose wording is fixed. Now entropy can only come from the arithmetic. Thresholds are
# the deciles on plain development questions; descriptive only.

# %% tags=["hide-input"]
plain = ArithmeticStudy(small, large, tokenizer, problems("test", 200, 0, "fixed"))
ends = [run.share for run in plain.alone()], [plain.correct(run).mean() for run in plain.alone()]
plain_runs = plain.mixed(S.plain)
middle_run = min(plain_runs, key=lambda run: abs(run.share - 0.43))
plain_masks = matched_random_masks(middle_run.large, middle_run.lengths, 3, np.random.default_rng(0))
plain_random = [plain.correct(run).mean() for run in plain.routed(plain_masks)]
pd.DataFrame(
    {"share": [run.share for run in plain_runs], "accuracy": [plain.correct(run).mean() for run in plain_runs]}
).T.style.format(precision=3).set_uuid("plain").set_caption(
    f"Small alone {ends[1][0]:.3f}, large alone {ends[1][1]:.3f}; random at share {middle_run.share:.2f}: {np.mean(plain_random):.3f}, entropy there {plain.correct(middle_run).mean():.3f}"
)

# %% [markdown]
# ## Scorecard

# %% tags=["scorecard", "nbval-check-output"]
verdicts = card.verdicts()

# %% tags=["hide-input"]
card.table()

# %% tags=["remove-cell"]
card.save()

# %% [markdown]
# @FINDINGS@
#
# **Different from the paper.** The paper mixes Llama 3.2 and Qwen 2.5 models of 1.5 to 14 billion parameters on MATH; we
# mix two models of this project, of @NS@ and @NL@ parameters, on arithmetic that is written out. Everything in this
# chapter is live, except the entropies of the novels, which are archived numbers, and the thresholds, which a longer run
# chose on development questions. The paper's own numbers of problems, prompts, seeds and thresholds were not to be had,
# nor its code. One training seed was run for each model; other windows, dwells and thresholds stand in
# `results/lab/experiments/`.
#
# **Criticism of the paper.** It compares with the large model only. With the small models' scores from their model
# cards, which use other prompts, plain mixing would already give 49.8 % for the Llama pair at 43 % usage, against 50.4 %
# reported. Random routing at the same usage is the baseline that matters; so are speculative decoding, which keeps the
# large model's distribution exactly, and seconds in place of parameters.
#
# ## Exercises
#
# ### Exercise 1: watching costs
#
# If the small model runs at every token, the cost is $C=f+n_S/n_L$. At which share $f$ does this stop saving anything
# for 3B/11B and for 1.5B/14B?

# %%
answer = ...
check("exercise 1", answer, expected=[1 - 3 / 11, 1 - 1.5 / 14], rtol=1e-6, hint="solve C = 1");

# %% tags=["hide-cell", "solution"]
answer = [1 - 3 / 11, 1 - 1.5 / 14]
check("exercise 1", answer, expected=[0.7272727, 0.8928571], rtol=1e-6);

# %% [markdown]
# ### Exercise 2: stuck with the wrong model
#
# Give twelve entropies for which the rule with $w=1$, $d_{\min}=10$, $\tau=1$ lets the large model write nine tokens in
# a row although each entropy that it sees is 0. How would two thresholds, one to enter and a lower one to leave, help?

# %%
answer = ...


def stuck(entropies):
    written = who_writes(entropies, 1.0, 1, 10)
    zeros = [w == "L" and h == 0 for w, h in zip(written, entropies)]
    return len(entropies) == 12 and "1" * 9 in "".join(str(int(z)) for z in zeros)


check("exercise 2", answer, test=stuck, hint="one high value is enough");

# %% tags=["hide-cell", "solution"]
answer = [0.0, 2.0] + [0.0] * 10
print(who_writes(answer, 1.0, 1, 10))
check("exercise 2", answer, test=stuck);

# %% [markdown]
# <details><summary>Solution</summary>
#
# One high value calls the large model, and the dwell keeps it for ten tokens. With two thresholds
# $\tau_{\text{out}}<\tau_{\text{in}}$ (hysteresis) the dwell is not needed: a small wobble around one threshold no longer
# changes the writer, and a clear fall ends the stay at once.
#
# </details>
#
# ### Exercise 3: route by the advantage
#
# Fit the advantage from what is known before the token is written: the entropy and its rolling mean, in a regression
# tree on development questions. How much of the variance of the advantage does it explain there, with 5-fold
# cross-validation? (Use `development.advantage`.)

# %%
answer = ...  # mean R² over the folds
check("exercise 3", answer, test=lambda r2: -1 < float(r2) < 0.5, hint="sklearn.tree.DecisionTreeRegressor(max_depth=4)");

# %% tags=["hide-cell", "solution"]
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeRegressor

(words_of_small,) = development.mixed([np.inf])
dev_gain, _ = development.advantage(words_of_small)
inside = words_of_small.written
position = np.broadcast_to(np.arange(inside.shape[1]), inside.shape)
X = np.stack([words_of_small.entropy[inside], rolling_mean(words_of_small.entropy, 5)[inside], position[inside]], 1)
answer = cross_val_score(DecisionTreeRegressor(max_depth=4, random_state=0), X, dev_gain[inside], cv=5).mean()
print(f"R² {answer:.3f}")
check("exercise 3", answer, test=lambda r2: -1 < float(r2) < 0.5);

# %% [markdown]
# ## References
#
# {cite:t}`simonds2025entropy`. The entry, and those of all other chapters, stand on the page
# [References](../appendix/references.md).
