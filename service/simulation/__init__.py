"""A load generator that knows the truth: made-up mails, what servers and SES say of them, and what must be found.

Nothing in here knows how mailgap reads or judges: it imports the contract's words and nothing else of ours, and
import-linter checks that. The shapes of lines and events follow real ones; deadlines are read from the same policy
file that the worker reads, by a reader of its own.
"""
