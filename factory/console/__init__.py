"""What the owner sees and says."""
