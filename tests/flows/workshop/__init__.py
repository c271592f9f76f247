"""An app with jobs for stories about workers: each leaves a line in the factory's home, or takes as long as it is told."""
