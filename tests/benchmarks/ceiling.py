"""The ceiling: the barest aiohttp handler that reads a body, parses it and answers a constant. Same loop, same JSON."""

import asyncio
import json
import sys

import orjson
import uvloop
from aiohttp import web
from multidict import CIMultiDict


async def serve(port: int, status: int, headers: list[list[str]], body: bytes) -> None:
    made = CIMultiDict((name, value) for name, value in headers)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        orjson.loads(await request.read())
        return web.Response(status=status, headers=made, body=body)

    listener = await asyncio.get_running_loop().create_server(web.Server(handle, access_log=None), "127.0.0.1", port)
    print("ready", flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    reply = json.loads(sys.argv[2])
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(
        serve(int(sys.argv[1]), reply["status"], reply["headers"], reply["body"].encode())
    )
