"""The API and the pages over the trail store."""
