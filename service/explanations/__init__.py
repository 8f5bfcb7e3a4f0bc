"""The sentences of `service.explain`, a file a stage. Texts only."""
