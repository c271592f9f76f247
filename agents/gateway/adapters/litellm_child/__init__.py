"""LiteLLM in a house of its own: the only process that imports it."""
