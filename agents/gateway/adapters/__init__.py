"""The two protocols over HTTP, and where they go: the provider's address or the rehearsal child."""
