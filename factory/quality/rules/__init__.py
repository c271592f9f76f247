"""What counts as a promise, as evidence, as a cause and as a pass."""
