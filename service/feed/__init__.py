"""`mailgap feed`: follows log files and the journal of this host onto Kafka."""
