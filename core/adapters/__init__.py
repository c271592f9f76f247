"""Git and the bell that wakes workers."""
