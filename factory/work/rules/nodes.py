"""Hosts of the `gpu` queue: how long one may be silent, and how old its key gets."""

from typing import Final

NODE_SILENT_S: Final = 90
"""A node that was not heard of for so long is offline. Source: R-13.1."""
NODE_KEY_DAYS: Final = 90
"""A key is changed before it is this old. Source: R-13.32."""
NODE_QUEUES: Final = ("gpu",)
"""All that a node's key opens. Source: R-13.2."""
