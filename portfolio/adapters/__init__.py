"""The portfolio's doors to the outside: files of signals and traffic, word lists, the landscape child."""
