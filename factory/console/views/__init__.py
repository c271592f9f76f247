"""Pages: each view shows, or calls one service and shows what followed."""
