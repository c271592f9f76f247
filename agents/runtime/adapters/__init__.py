"""The outside of an attempt: a model, a workspace, files, processes."""
