"""Scopes, windows, holds, the ledger and revenue: no call leaves without money held for it."""
