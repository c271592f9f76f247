"""The ground: people, money, ids, errors, clocks, settings, audit, blobs, the outbox and the registries."""
