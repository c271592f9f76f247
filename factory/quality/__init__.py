"""Hawk: plan, break, measure; the verdict is computed by code."""
