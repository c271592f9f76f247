"""What people rely on, proved."""
