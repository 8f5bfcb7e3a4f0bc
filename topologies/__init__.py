"""The worker on Faust: what knows Faust, and nothing that could be tested without it."""
