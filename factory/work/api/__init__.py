"""REST doors of work: graphs, tasks, attempts, what they made, and what was given up."""
