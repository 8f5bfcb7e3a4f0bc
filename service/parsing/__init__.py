"""From bytes to facts, a file a dialect. Pure and total: nothing here raises on any input."""
