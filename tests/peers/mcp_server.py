"""An MCP server made with the official Python package, on a free loopback port, in both eras.

It prints "listening: URL" when it can be asked, and ends when it is killed.
"""

import socket

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("python", instructions="Count things here.", log_level="ERROR")


@server.tool()
def count(text: str) -> int:
    """How many letters a text has."""
    return len(text)


@server.tool()
async def work(steps: int, context: Context) -> str:
    """Tells its progress this often."""
    for step in range(1, steps + 1):
        await context.report_progress(step, steps)
    return "done"


@server.resource("python://motto")
def motto() -> str:
    """What it says of itself."""
    return "Beautiful is better than ugly."


@server.resource("python://items/{item}")
def item(item: str) -> str:
    """Anything."""
    return f"The item {item}."


@server.prompt()
def summarise(text: str) -> str:
    """Asks for less."""
    return f"Summarise: {text}"


if __name__ == "__main__":
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        print(f"listening: http://127.0.0.1:{port}/mcp", flush=True)
        config = uvicorn.Config(server.streamable_http_app(), log_level="error")
        uvicorn.Server(config).run(sockets=[listener])
