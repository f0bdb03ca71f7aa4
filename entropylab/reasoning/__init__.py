"""Floor 4: where does reasoning decide? What preference optimisation and reinforcement learning teach a model."""

from entropylab.reasoning.answer_clusters import cluster_by_answer, cluster_entropy, cluster_sizes
from entropylab.reasoning.countdown_policy import CountdownTask, evaluate, sample_chains
from entropylab.reasoning.credit import Credit, EntropyMask, SemanticEntropyScale, entropy_mask, seed_weight
from entropylab.reasoning.environment import WordTool
from entropylab.reasoning.grpo import GrpoSettings, train_grpo
from entropylab.reasoning.losses import group_advantages, policy_loss
from entropylab.reasoning.next_token_preference import next_token_states, prefer_next_token
from entropylab.reasoning.prompt_gradients import prompt_gradients
from entropylab.reasoning.rollout import Rollouts, roll_out, score

__all__ = [
    "CountdownTask",
    "Credit",
    "EntropyMask",
    "GrpoSettings",
    "Rollouts",
    "SemanticEntropyScale",
    "WordTool",
    "cluster_by_answer",
    "cluster_entropy",
    "cluster_sizes",
    "entropy_mask",
    "evaluate",
    "group_advantages",
    "next_token_states",
    "policy_loss",
    "prefer_next_token",
    "prompt_gradients",
    "roll_out",
    "sample_chains",
    "score",
    "seed_weight",
    "train_grpo",
]
