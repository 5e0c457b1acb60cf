"""The peer of `cargo xtask bench serve`: FastAPI with uvicorn, uvloop and websockets, doing what the server does.

Usage: fastapi_peer.py WORD TOKENS DELAY_MS. Prints the address that it listens on, as the server does.
"""

import asyncio
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

word, tokens, delay = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000
app = FastAPI()


@app.websocket("/ws/bench")
async def bench(websocket: WebSocket) -> None:
    await websocket.accept()
    loop = asyncio.get_running_loop()
    try:
        while True:
            await websocket.receive_json()
            due = loop.time()
            for _ in range(tokens):
                if delay:
                    # From the last deadline, not from now: as the scripted model does.
                    due += delay
                    await asyncio.sleep(due - loop.time())
                await websocket.send_json({"type": "delta", "text": word})
            await websocket.send_json({"type": "done", "finish_reason": "stop"})
    except WebSocketDisconnect:
        pass


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="critical", loop="uvloop", ws="websockets")
    uvicorn.Server(config).run(sockets=[listener])
