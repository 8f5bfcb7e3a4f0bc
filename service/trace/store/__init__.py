"""The trail store: the latest record of every mail, embedded (SQLite) or PostgreSQL, behind one set of queries."""
