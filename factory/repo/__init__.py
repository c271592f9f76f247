"""Product repositories, templates and the merge lane."""
