"""What every product has: people, plans, notices, events, a clock, a tick and the doors of the house."""
