"""How delivery touches the outside world, one file per thing."""
