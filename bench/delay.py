"""A TCP proxy on 127.0.0.1 that makes answers late, as a cluster far away does.

Every byte from the server is held back for the delay, whatever else is under way, and so are the first bytes of a
connection, for the handshake that loopback does at once. How much flows at a time is not limited.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

_CHUNK = 1 << 16


@contextmanager
def delaying(port: int, seconds: float) -> Iterator[int]:
    """Listen, for as long as the context lasts.

    Args:
        port: of 127.0.0.1, where the server is.
        seconds: that each round trip takes longer.

    Yields:
        The port to connect to.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="delay", daemon=True)
    thread.start()

    def wait_for(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    proxy = _Proxy(port, seconds)
    listener = wait_for(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        wait_for(proxy.close(listener))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Proxy:
    def __init__(self, port: int, seconds: float) -> None:
        self._port, self._seconds = port, seconds
        self._serving: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await asyncio.sleep(self._seconds)
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await asyncio.gather(_through(reader, back, 0), _through(there, writer, self._seconds))
            finally:
                back.close()
        except (OSError, asyncio.CancelledError):
            pass  # one side has gone, or the measuring is over: then there is nothing to pass on
        finally:
            writer.close()
            self._serving.discard(task)

    async def close(self, listener: asyncio.Server) -> None:
        listener.close()
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving)


async def _through(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
    """Pass bytes on, each so much later than it came."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        while True:
            at, data = await waiting.get()
            await asyncio.sleep(max(0.0, at - loop.time()))
            if not data:
                sink.write_eof()
                return
            sink.write(data)
            await sink.drain()

    sending = asyncio.ensure_future(send())
    try:
        while data := await source.read(_CHUNK):
            waiting.put_nowait((loop.time() + seconds, data))
        waiting.put_nowait((loop.time() + seconds, b""))
        await sending
    finally:
        sending.cancel()
