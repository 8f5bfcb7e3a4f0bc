"""The HTTP listener as a service of the worker's loop: a loop that is stuck cannot answer its probes."""

from mode import Service

from service.edges.http import HttpServer


class Http(Service):  # type: ignore[misc]  # mode ships no types we can follow
    """Started before the apps and stopped after them."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__()
        self._server = server

    async def on_start(self) -> None:
        """Called by mode."""
        await self._server.start()

    async def on_stop(self) -> None:
        """Called by mode."""
        await self._server.stop()
