"""What every product must do."""
