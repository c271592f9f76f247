"""Releases: preview, switch, roll back."""
