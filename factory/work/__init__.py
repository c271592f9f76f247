"""Durable tasks and graphs: claim, lease, fence, retry; artifacts."""
