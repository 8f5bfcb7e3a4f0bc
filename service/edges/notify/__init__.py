"""Tells the sinks what is open: reads the gaps topic, keeps a journal of what was said, delivers."""
