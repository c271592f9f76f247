"""A provider on loopback, in a process of its own, that speaks both protocols, fails as told and counts what it billed."""
