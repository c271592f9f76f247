"""A process of its own that owns running products and listening sockets, decides nothing and imports nothing of ours."""
