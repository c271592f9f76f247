"""The agents: who they are, what they may do, and how a model is called for them."""
