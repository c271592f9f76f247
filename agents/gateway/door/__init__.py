"""The models' door for engines: /v1/*, in the words of the protocols they speak."""
