"""The only door to a model: price, route, hold, call, settle."""
