"""Floor 4: where does reasoning decide? What preference optimisation and reinforcement learning teach a model."""

from entropylab.reasoning.next_token_preference import next_token_states, prefer_next_token

__all__ = ["next_token_states", "prefer_next_token"]
