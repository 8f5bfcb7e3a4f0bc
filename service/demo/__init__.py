"""What `mailgap demo` is made of: a Kafka, a sample application that knows the truth, and a screen."""
