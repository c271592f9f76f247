"""What templates say and draw."""
