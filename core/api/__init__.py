"""The REST machinery that every app's `api.py` uses: who calls, what is refused and how it is said, pages, verbs."""
