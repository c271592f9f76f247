"""The drill: a factory at work under load while its parts are killed, cut off, filled up and confused; then it counts."""
