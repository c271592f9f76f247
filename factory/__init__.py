"""The platform: settings, addresses and the apps of the factory."""
