"""The trace page: a store of every mail's latest record, an API over it, and pages that a tired person understands."""
