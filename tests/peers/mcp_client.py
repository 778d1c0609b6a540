"""Uses an MCP server with the official Python client, one line of JSON per answer.

Arguments: the server's URL, the mode ("auto", "legacy" or a version), and a JSON list of steps. A step is
{"do": "list"}, or "prompts" or "resources"; {"do": "call", "name": …, "arguments": {…}}; {"do": "read", "uri": …}; or
{"do": "prompt", "name": …, "arguments": {…}}; {"do": "complete", "name": …, "argument": …, "value": …} for a prompt's
argument; {"do": "cancel", "name": …, "arguments": {…}}, a call that is cancelled once it tells progress; or {"do": "watch",
"uri": …, "name": …}, which calls a tool and tells the first change that is heard of. A call tells its progress, as
[[progress, total], …]. Questions are answered: the name is Ada, the city Paris. {"do": "expire"} makes it believe
that its token is too old. A bearer token comes in the variable MCP_TOKEN; where MCP_SIGN_IN is set, it gets one by itself,
see mcp_sign_in.py.

First comes "connected:" with the protocol version and the server's name, then "answer:" for each step. An answer is
the result, or {"error": …}; both tell the HTTP statuses that were seen meanwhile.
"""

import asyncio
import json
import os
import sys

import anyio
import httpx2
import mcp_sign_in
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client


async def main(url, mode, steps):
    statuses = []

    async def remember(response):
        statuses.append(response.status_code)

    auth = await mcp_sign_in.provider(url, say) if os.environ.get("MCP_SIGN_IN") else None
    token = os.environ.get("MCP_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    hooks = {"response": [remember]}
    # A proxy that the environment names is not for loopback.
    async with httpx2.AsyncClient(auth=auth, headers=headers, event_hooks=hooks, timeout=30, trust_env=False) as http:
        try:
            transport = streamable_http_client(url, http_client=http)
            answers = {"elicitation_callback": fill_in, "sampling_callback": imagine}
            async with Client(transport, mode=mode, message_handler=NEWS.hear, **answers) as client:
                server = client.server_info.name if client.server_info else None
                say("connected:", {"version": client.protocol_version, "server": server}, statuses)
                for step in steps:
                    say("answer:", await answer(client, step, auth), statuses)
        except Exception as error:  # pylint: disable=broad-exception-caught
            say("failed:", {"error": told(error)}, statuses)
            sys.exit(1)


async def answer(client, step, auth):
    if step["do"] == "expire":
        return mcp_sign_in.expire(auth)
    try:
        return plain(await asked(client, step))
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message, "data": error.error.data}}


async def asked(client, step):
    match step["do"]:
        case "list":
            return await client.list_tools()
        case "prompts":
            return await client.list_prompts()
        case "resources":
            return await client.list_resources()
        case "call":
            return await called(client, step["name"], step.get("arguments", {}))
        case "cancel":
            return await cancelled(client, step["name"], step.get("arguments", {}))
        case "watch":
            return await watched(client, step["uri"], step["name"])
        case "complete":
            reference = types.PromptReference(type="ref/prompt", name=step["name"])
            return await client.complete(reference, {"name": step["argument"], "value": step["value"]})
        case "read":
            return await client.read_resource(step["uri"])
        case "prompt":
            return await client.get_prompt(step["name"], step.get("arguments", {}))
        case other:
            raise ValueError(f"there is no step {other!r}")


class News:
    """What the server tells without being asked."""

    def __init__(self):
        self.heard = asyncio.Event()
        self.last = None

    async def hear(self, message):
        if isinstance(message, (types.ResourceUpdatedNotification, types.ToolListChangedNotification)):
            self.last = message
            self.heard.set()


NEWS = News()


async def called(client, name, arguments):
    heard = []

    async def hear(progress, total, _message):
        heard.append([progress, total])

    result = await client.call_tool(name, arguments, progress_callback=hear)
    return {**plain(result), "progress": heard}


async def cancelled(client, name, arguments):
    begun = anyio.Event()

    async def hear(_progress, _total, _message):
        begun.set()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: client.call_tool(name, arguments, progress_callback=hear))
        await begun.wait()
        group.cancel_scope.cancel()
    return {"cancelled": True}


async def watched(client, uri, name):
    if client.protocol_version < "2026":
        NEWS.heard.clear()
        await client.session.subscribe_resource(uri)
        await client.call_tool(name, {})
        await asyncio.wait_for(NEWS.heard.wait(), 20)
        return {"news": NEWS.last.method}
    async with client.listen(tools_list_changed=True, resource_subscriptions=[uri]) as subscription:
        await client.call_tool(name, {})
        async for event in subscription:
            return {"news": type(event).__name__}


async def fill_in(_context, _params):
    return types.ElicitResult(action="accept", content={"name": "Ada"})


async def imagine(_context, _params):
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="somebody's")


def plain(result):
    if isinstance(result, dict):
        return result
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def told(error):
    """What happened, out of the groups that task groups wrap it in."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def say(mark, value, statuses):
    print(mark, json.dumps({**value, "http": statuses[:]}), flush=True)
    statuses.clear()


asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
