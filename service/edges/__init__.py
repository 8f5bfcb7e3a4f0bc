"""Everything that touches the world: files, Kafka's administration, HTTP."""
