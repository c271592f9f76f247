"""Reference products, shipped as files."""
