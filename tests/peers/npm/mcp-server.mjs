// An MCP server made of the packages @modelcontextprotocol/server and /node that knows only the version without sessions:
// on a free loopback port, or on standard input and output where the only argument is "stdio".
//
//   COUNTERSIGN_NPM=FOLDER node mcp-server.mjs
//
// FOLDER holds node_modules. It prints `listening: URL` when it can be asked, and ends when it is killed. It says
// "cancelled" on standard error when a call of its tool "wait" is.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const load = createRequire(path.join(process.env.COUNTERSIGN_NPM, "package.json"));
const { McpServer, acceptedContent, completable, createMcpHandler, inputRequired, inputResponse } = load(
  "@modelcontextprotocol/server",
);
const { serveStdio } = load("@modelcontextprotocol/server/stdio");
const { toNodeHandler } = load("@modelcontextprotocol/node");
const { z } = load("zod");

const MOTTO = "typescript://motto";
const words = ["paris", "park", "rome"];
const text = (text) => ({ content: [{ type: "text", text }] });
const nothing = z.object({});

/** Tells how far a call is, to a client that wants to know. */
async function tell({ mcpReq }, progress, total) {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken !== undefined) {
    await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total } });
  }
}

/** A server for one request, or for all of a pipe; `changed` tells everybody who listens. */
function make(changed) {
  const server = new McpServer(
    { name: "typescript", version: "1.0.0" },
    { capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } } },
  );
  server.registerTool(
    "add",
    { description: "Adds two numbers", inputSchema: z.object({ a: z.number(), b: z.number() }) },
    async ({ a, b }) => text(`${a + b}`),
  );
  server.registerTool(
    "work",
    { description: "Tells its progress this often", inputSchema: z.object({ steps: z.number() }) },
    async ({ steps }, context) => {
      for (let step = 1; step <= steps; step += 1) await tell(context, step, steps);
      return text("done");
    },
  );
  server.registerTool("ask", { description: "Asks who is there", inputSchema: nothing }, async (_, { mcpReq }) => {
    const answer = z.object({ name: z.string() });
    const who = acceptedContent(mcpReq.inputResponses, "who", answer);
    if (who) return text(`Hello, ${who.name}.`);
    const question = inputRequired.elicit({ message: "Who is there?", requestedSchema: answer });
    return inputRequired({ inputRequests: { who: question } });
  });
  server.registerTool("imagine", { description: "Asks the client's model", inputSchema: nothing }, async (_, { mcpReq }) => {
    const said = inputResponse(mcpReq.inputResponses, "city");
    if (said.kind === "sampling") return text(`It says ${said.result.content.text}.`);
    const messages = [{ role: "user", content: { type: "text", text: "Which city?" } }];
    return inputRequired({ inputRequests: { city: inputRequired.createMessage({ messages, maxTokens: 10 }) } });
  });
  server.registerTool(
    "wait",
    { description: "Says that it began, then waits to be cancelled", inputSchema: nothing },
    async (_, context) => {
      await tell(context, 0, 1);
      const { signal } = context.mcpReq;
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      console.error("cancelled");
      return text("waited");
    },
  );
  server.registerTool("change", { description: "Has other tools and another motto", inputSchema: nothing }, async () => {
    await changed(server);
    return text("changed");
  });
  server.registerPrompt("greet", { description: "Greets" }, () => ({
    messages: [{ role: "user", content: { type: "text", text: "Say hello." } }],
  }));
  const argsSchema = z.object({
    text: completable(z.string(), (value) => words.filter((word) => word.startsWith(value))),
  });
  server.registerPrompt("summarise", { description: "Asks for less", argsSchema }, ({ text }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Summarise: ${text}` } }],
  }));
  server.registerResource("motto", MOTTO, { mimeType: "text/plain" }, async (uri) => ({
    contents: [{ uri: uri.href, mimeType: "text/plain", text: "Types first." }],
  }));
  return server;
}

if (process.argv[2] === "stdio") {
  const changed = async (server) => {
    await server.sendToolListChanged();
    await server.server.sendResourceUpdated({ uri: MOTTO });
  };
  serveStdio(() => make(changed), { legacy: "reject" });
} else {
  const handler = createMcpHandler(
    () =>
      make(async () => {
        handler.notify.toolsChanged();
        handler.notify.resourceUpdated(MOTTO);
      }),
    { legacy: "reject" },
  );
  const server = createServer(toNodeHandler(handler));
  server.listen(0, "127.0.0.1", () => {
    console.log(`listening: http://127.0.0.1:${server.address().port}/mcp`);
  });
}
