"""One assignment carried out: the agent loop and its tools."""
