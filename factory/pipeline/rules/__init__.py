"""What a proposal must satisfy, whoever proposes it."""
