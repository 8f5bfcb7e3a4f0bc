"""The documents that others read, and the closed words they are made of. The core imports the words: keep it light."""
