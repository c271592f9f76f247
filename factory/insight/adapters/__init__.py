"""The outside of insight: monitors and trace stores."""
