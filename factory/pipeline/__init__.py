"""Kev proposes, rules decide: scan, validate, build, launch, grow."""
