"""Git repositories of products, and the environments they run in."""
