"""The project: settings, routes, and the texts and prices of this product."""
