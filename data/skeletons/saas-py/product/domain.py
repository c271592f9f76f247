"""The apps that make this product what it is; settings and routes read this list."""

APPS: list[str] = []
