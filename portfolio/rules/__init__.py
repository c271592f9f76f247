"""What the portfolio computes from its arguments alone: signals, words, verdicts, scores, counts."""
