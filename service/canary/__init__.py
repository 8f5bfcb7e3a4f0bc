"""The canary: a mail of our own, sent the application's way, whose whole trail must come to the correlated topic."""
