"""Uses an MCP server with the first major version of the official Python client, one line of JSON per answer.

Arguments and lines are those of mcp_client.py beside it, except that there is one mode only, "legacy". Without a result,
HTTP statuses are all that is told.
"""

import asyncio
import json
import os
import sys

import anyio
import httpx
import mcp_sign_in
from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamable_http_client


async def main(url, mode, steps):
    if mode != "legacy":
        raise ValueError(f"this client has no mode {mode!r}")
    statuses = []

    async def remember(response):
        statuses.append(response.status_code)

    auth = await mcp_sign_in.provider(url, say) if os.environ.get("MCP_SIGN_IN") else None
    token = os.environ.get("MCP_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    hooks = {"response": [remember]}
    # A proxy that the environment names is not for loopback.
    async with httpx.AsyncClient(auth=auth, headers=headers, event_hooks=hooks, timeout=30, trust_env=False) as http:
        try:
            async with streamable_http_client(url, http_client=http) as (reads, writes, _):
                answers = {"elicitation_callback": fill_in, "sampling_callback": imagine}
                async with ClientSession(reads, writes, message_handler=NEWS.hear, **answers) as session:
                    hello = await session.initialize()
                    told_version = {"version": hello.protocolVersion, "server": hello.serverInfo.name}
                    say("connected:", told_version, statuses)
                    for step in steps:
                        say("answer:", await answer(session, step, auth), statuses)
        except Exception as error:  # pylint: disable=broad-exception-caught
            say("failed:", {"error": told(error)}, statuses)
            sys.exit(1)


async def answer(session, step, auth):
    if step["do"] == "expire":
        return mcp_sign_in.expire(auth)
    try:
        return await asked(session, step)
    except McpError as error:
        return {"error": {"code": error.error.code, "message": error.error.message, "data": error.error.data}}


async def asked(session, step):
    match step["do"]:
        case "list":
            return plain(await session.list_tools())
        case "prompts":
            return plain(await session.list_prompts())
        case "resources":
            return plain(await session.list_resources())
        case "call":
            return await called(session, step["name"], step.get("arguments", {}))
        case "task":
            return await went_on(session, step["name"], step.get("arguments", {}))
        case "cancel":
            return await cancelled(session, step["name"], step.get("arguments", {}))
        case "watch":
            return await watched(session, step["uri"], step["name"])
        case "complete":
            reference = types.PromptReference(type="ref/prompt", name=step["name"])
            return plain(await session.complete(reference, {"name": step["argument"], "value": step["value"]}))
        case "read":
            return plain(await session.read_resource(step["uri"]))
        case "prompt":
            return plain(await session.get_prompt(step["name"], step.get("arguments", {})))
        case other:
            raise ValueError(f"there is no step {other!r}")


async def called(session, name, arguments):
    heard = []

    async def hear(progress, total, _message):
        heard.append([progress, total])

    result = await session.call_tool(name, arguments, progress_callback=hear)
    return {**plain(result), "progress": heard}


async def went_on(session, name, arguments):
    """Lets a call go on as a task, asks how far it is, and for what it comes to: that is when the server asks back."""
    begun = await session.experimental.call_tool_as_task(name, arguments)
    task = begun.task.taskId
    states = []
    async for found in session.experimental.poll_task(task):
        states.append([found.taskId, found.status])
        if found.status == "input_required":
            break
    result = await session.experimental.get_task_result(task, types.CallToolResult)
    return {"task": task, "states": states, "result": plain(result)}


class News:
    """What the server tells without being asked."""

    def __init__(self):
        self.heard = asyncio.Event()
        self.last = None

    async def hear(self, message):
        told = getattr(message, "root", None)
        if isinstance(told, (types.ResourceUpdatedNotification, types.ToolListChangedNotification)):
            self.last = told
            self.heard.set()


NEWS = News()


async def cancelled(session, name, arguments):
    """This client cannot cancel by itself, so its user tells the server, by the id that it gives its next request."""
    begun = asyncio.Event()
    request = session._request_id  # pylint: disable=protected-access

    async def hear(_progress, _total, _message):
        begun.set()

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: session.call_tool(name, arguments, progress_callback=hear))
        await begun.wait()
        params = types.CancelledNotificationParams(requestId=request, reason="no patience")
        notification = types.CancelledNotification(method="notifications/cancelled", params=params)
        await session.send_notification(types.ClientNotification(notification))
        group.cancel_scope.cancel()
    return {"cancelled": True}


async def watched(session, uri, name):
    NEWS.heard.clear()
    await session.subscribe_resource(uri)
    await session.call_tool(name, {})
    await asyncio.wait_for(NEWS.heard.wait(), 20)
    return {"news": NEWS.last.method}


async def fill_in(_context, params):
    fields = params.requestedSchema.get("properties", {})
    chosen = {name: field["oneOf"][0]["const"] for name, field in fields.items() if "oneOf" in field}
    return types.ElicitResult(action="accept", content={"name": "Ada", **chosen})


async def imagine(_context, _params):
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="somebody's")


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
