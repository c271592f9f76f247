"""A child process that maps texts by meaning; it is started by path and imports nothing of the factory."""
