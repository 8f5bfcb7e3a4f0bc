"""What ends the process. Each message is the one line that an operator reads, so it says what to do."""


class EngineError(Exception):
    """A promise of the engine is broken. It goes to the log as one line, without a traceback."""


class RecordTooLargeError(ValueError):
    """A key and value that the broker would refuse. Raised where the record is made; nothing was changed."""


class HoleError(EngineError):
    """A batch does not begin where the shard stands."""


class LogShrunkError(EngineError):
    """A committed offset lies beyond the end of its partition."""


class StuckError(EngineError):
    """Something that must come to an end in a bounded time did not."""
