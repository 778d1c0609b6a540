"""An MCP server made with the official Python package, in both eras: on a free loopback port, or on standard input and
output where the only argument is "stdio".

It prints "listening: URL" when it can be asked, and ends when it is killed. It says "cancelled" on standard error when a
call of its tool "wait" is.
"""

import socket
import sys
from typing import Annotated

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from mcp_types import Completion, CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel

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


class Answer(BaseModel):
    """What a person fills in."""

    name: str


def who() -> Elicit[Answer]:
    return Elicit("Who is there?", Answer)


def city() -> Sample:
    question = SamplingMessage(role="user", content=TextContent(type="text", text="Which city?"))
    return Sample([question], max_tokens=10)


@server.tool()
async def ask(answer: Annotated[Answer, Resolve(who)]) -> str:
    """Asks who is there."""
    return f"Hello, {answer.name}."


@server.tool()
async def imagine(said: Annotated[CreateMessageResult, Resolve(city)]) -> str:
    """Asks the client's model."""
    return f"It says {said.content.text}."


@server.tool()
async def wait(context: Context) -> str:
    """Says that it began, then waits to be cancelled."""
    await context.report_progress(0, 1)
    try:
        await anyio.sleep(60)
    except anyio.get_cancelled_exc_class():
        print("cancelled", file=sys.stderr, flush=True)
        raise
    return "waited"


@server.tool()
async def change(context: Context) -> str:
    """Has other tools and another motto, as far as subscribers know."""
    await context.notify_tools_changed()
    await context.notify_resource_updated("python://motto")
    await context.session.send_tool_list_changed()
    return "changed"


@server.completion()
async def complete(ref, argument, context):
    """Words that begin like that."""
    return Completion(values=[word for word in ("paris", "park", "rome") if word.startswith(argument.value)])


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


if sys.argv[1:] == ["stdio"]:
    server.run("stdio")
elif __name__ == "__main__":
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        print(f"listening: http://127.0.0.1:{port}/mcp", flush=True)
        config = uvicorn.Config(server.streamable_http_app(), log_level="error")
        uvicorn.Server(config).run(sockets=[listener])
