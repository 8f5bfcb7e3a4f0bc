"""`mailgap bridge`: SES's events from SQS, and from the S3 objects that it announces, onto Kafka."""
