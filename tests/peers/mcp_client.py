"""Uses an MCP server with the official Python client, one line of JSON per answer.

Arguments: the server's URL, the mode ("auto", "legacy" or a version), and a JSON list of steps. A step is
{"do": "list"}, or "prompts" or "resources"; {"do": "call", "name": …, "arguments": {…}}; {"do": "read", "uri": …}; or
{"do": "prompt", "name": …, "arguments": {…}}; or {"do": "expire"}, after which it believes that its token is too old. A
bearer token comes in the variable MCP_TOKEN; where MCP_SIGN_IN is set, it gets one by itself, see mcp_sign_in.py.

First comes "connected:" with the protocol version and the server's name, then "answer:" for each step. An answer is
the result, or {"error": …}; both tell the HTTP statuses that were seen meanwhile.
"""

import asyncio
import json
import os
import sys

import httpx2
import mcp_sign_in
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
            async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
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
            return await client.call_tool(step["name"], step.get("arguments", {}))
        case "read":
            return await client.read_resource(step["uri"])
        case "prompt":
            return await client.get_prompt(step["name"], step.get("arguments", {}))
        case other:
            raise ValueError(f"there is no step {other!r}")


def plain(result):
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
