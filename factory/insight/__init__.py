"""Every number of the factory, computed from ledger and event rows."""
