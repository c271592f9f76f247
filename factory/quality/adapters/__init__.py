"""The outside that is measured: running products, scanners, test runs."""
