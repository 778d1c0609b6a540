// An OpenID provider on a free loopback port, made of the package oidc-provider with its development sign-in pages:
//
//   COUNTERSIGN_NPM=FOLDER node oidc-provider.mjs
//
// FOLDER holds node_modules. It prints `issuer: URL` when it can be asked, and ends when it is killed.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const { Provider, errors } = createRequire(path.join(process.env.COUNTERSIGN_NPM, "package.json"))("oidc-provider");

const CALLBACK = "http://127.0.0.1/callback";

// What there is to ask for, and how each resource wants its tokens.
const RESOURCES = {
  "https://api.example": { accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } },
  "https://rsa.example": { accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } },
  "https://opaque.example": { accessTokenFormat: "opaque" },
};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on("request", new Provider(issuer, configuration()).callback());
  console.log(`issuer: ${issuer}`);
});

function configuration() {
  return {
    clients: [
      {
        client_id: "app",
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: [CALLBACK],
      },
      {
        client_id: "gateway",
        client_secret: "hush",
        token_endpoint_auth_method: "client_secret_basic",
        grant_types: [],
        response_types: [],
        redirect_uris: [],
      },
    ],
    cookies: { keys: [randomBytes(32).toString("hex")] },
    features: {
      introspection: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo },
    },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    jwks: {
      keys: [
        key("RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })),
        key("ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })),
      ],
    },
    rotateRefreshToken: true,
  };
}

function getResourceServerInfo(_, resource) {
  const wish = RESOURCES[resource];
  if (!wish) throw new errors.InvalidTarget();
  return { audience: resource, scope: "mcp read", accessTokenTTL: 600, ...wish };
}

function key(alg, { privateKey }) {
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: `${alg}-${randomBytes(6).toString("hex")}` };
}
