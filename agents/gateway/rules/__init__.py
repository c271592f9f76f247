"""Which model, at what price, again or not, and does the answer fit."""
