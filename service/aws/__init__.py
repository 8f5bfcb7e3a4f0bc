"""Amazon's interfaces, by boto3: clients, what can go wrong with them in one sentence, and SNS's signatures."""
