"""`mailgap backfill`: archived events and rotated logs onto topics of their own, in the order of their own time."""
