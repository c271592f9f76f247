"""The table of limits and the processor's secret, on disk."""
