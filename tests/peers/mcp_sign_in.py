"""Lets a Python client get its tokens by itself, with a person somewhere else: both major versions.

It says "visit:" with the address where the person begins, and waits on a loopback address of its own until they are back.
"""

import asyncio
from urllib.parse import parse_qs, urlsplit

from mcp.client.auth import OAuthClientProvider
from mcp.shared import auth as shared
from mcp.shared.auth import OAuthClientMetadata


async def provider(url, say):
    back = asyncio.get_running_loop().create_future()

    async def welcome(reader, writer):
        line = (await reader.readline()).decode()
        query = parse_qs(urlsplit(line.split()[1]).query)
        body = b"<p>You can close this page</p>"
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        back.set_result({name: values[0] for name, values in query.items()})

    async def lead(address):
        say("visit:", {"url": address}, [])

    async def come_back():
        told = await back
        if "code" not in told:
            raise ValueError(f"nobody signed in: {told.get('error')}")
        return returned(told)

    server = await asyncio.start_server(welcome, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    metadata = OAuthClientMetadata(
        client_name="A Python client",
        redirect_uris=[f"http://127.0.0.1:{port}/callback"],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(url, metadata, Memory(), redirect_handler=lead, callback_handler=come_back)


def returned(told):
    """What a callback handler returns: a class of its own since the second major version."""
    result = getattr(shared, "AuthorizationCodeResult", None)
    if result is None:
        return told["code"], told.get("state")
    return result(code=told["code"], state=told.get("state"), iss=told.get("iss"))


def expire(auth):
    """Lets it believe that its token is too old; who it is there, and the token before it."""
    auth.context.token_expiry_time = 1.0
    client, tokens = auth.context.client_info, auth.context.current_tokens
    return {"client_id": client.client_id, "token_type": tokens.token_type, "refreshable": bool(tokens.refresh_token)}


class Memory:
    """Keeps tokens as long as the client runs."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client
