"""Fifteen agent definitions, what each may do, and the tokens that prove it."""
