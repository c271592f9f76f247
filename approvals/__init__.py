"""What the owner is asked, what the owner said, and what was bound to the answer."""
