// An MCP server made of the packages @modelcontextprotocol/server and /node, on a free loopback port, that knows only
// the version without sessions:
//
//   COUNTERSIGN_NPM=FOLDER node mcp-server.mjs
//
// FOLDER holds node_modules. It prints `listening: URL` when it can be asked, and ends when it is killed.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const load = createRequire(path.join(process.env.COUNTERSIGN_NPM, "package.json"));
const { McpServer, createMcpHandler } = load("@modelcontextprotocol/server");
const { toNodeHandler } = load("@modelcontextprotocol/node");
const { z } = load("zod");

const handler = createMcpHandler(
  () => {
    const server = new McpServer({ name: "typescript", version: "1.0.0" });
    server.registerTool(
      "add",
      { description: "Adds two numbers", inputSchema: z.object({ a: z.number(), b: z.number() }) },
      async ({ a, b }) => ({ content: [{ type: "text", text: `${a + b}` }] }),
    );
    server.registerPrompt("greet", { description: "Greets" }, () => ({
      messages: [{ role: "user", content: { type: "text", text: "Say hello." } }],
    }));
    server.registerResource("motto", "typescript://motto", { mimeType: "text/plain" }, async (uri) => ({
      contents: [{ uri: uri.href, mimeType: "text/plain", text: "Types first." }],
    }));
    return server;
  },
  { legacy: "reject" },
);

const server = createServer(toNodeHandler(handler));
server.listen(0, "127.0.0.1", () => {
  console.log(`listening: http://127.0.0.1:${server.address().port}/mcp`);
});
