"""What is said to people and their tools about open gaps and conditions: grouped, paced, escaped. Pure."""
