// An OpenID provider on a free loopback port, made of the package oidc-provider with its development sign-in pages:
//
//   COUNTERSIGN_NPM=FOLDER node oidc-provider.mjs
//
// FOLDER holds node_modules. Whoever signs in is called what they typed, and alice is in the group `admins`. It prints `issuer: URL` when it can be asked, and ends when it is killed.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const load = createRequire(path.join(process.env.COUNTERSIGN_NPM, "package.json"));
const { Provider, errors } = load("oidc-provider");
const jose = load("jose");

const CALLBACK = "http://127.0.0.1/callback";

// RFC 8693.
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const PARAMETERS = ["resource", "audience", "scope", "requested_token_type", "subject_token", "subject_token_type"];

// What there is to ask for, and how each resource wants its tokens.
const RESOURCES = {
  "https://api.example": { accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } },
  "https://rsa.example": { accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } },
  "https://opaque.example": { accessTokenFormat: "opaque" },
  "https://backend.example": { accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } },
};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const settings = configuration();
  const provider = new Provider(issuer, settings);
  provider.registerGrantType(EXCHANGE, (ctx) => exchange(provider, settings.jwks, ctx), PARAMETERS);
  server.on("request", provider.callback());
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
        grant_types: [EXCHANGE],
        response_types: [],
        redirect_uris: [],
      },
      {
        client_id: "countersign",
        client_secret: "hush",
        application_type: "native",
        token_endpoint_auth_method: "client_secret_basic",
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: ["http://127.0.0.1/oauth/callback"],
      },
      {
        client_id: "bystander",
        client_secret: "hush",
        token_endpoint_auth_method: "client_secret_post",
        grant_types: [],
        response_types: [],
        redirect_uris: [],
      },
    ],
    claims: { openid: ["sub", "email", "groups"] },
    cookies: { keys: [randomBytes(32).toString("hex")] },
    features: {
      introspection: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo },
    },
    findAccount: (_, id) => ({ accountId: id, claims: () => claimsOf(id) }),
    jwks: {
      keys: [
        key("RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })),
        key("ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })),
      ],
    },
    rotateRefreshToken: true,
  };
}

function claimsOf(id) {
  return { sub: id, email: `${id}@example.com`, groups: id === "alice" ? ["admins", "staff"] : ["staff"] };
}

function getResourceServerInfo(_, resource) {
  const wish = RESOURCES[resource];
  if (!wish) throw new errors.InvalidTarget();
  return { audience: resource, scope: "mcp read", accessTokenTTL: 600, ...wish };
}

// A token for another resource, about whomever the subject token is about.
async function exchange(provider, jwks, ctx) {
  const { client, params } = ctx.oidc;
  const kinds = [params.subject_token_type, params.requested_token_type ?? ACCESS_TOKEN];
  if (kinds.some((kind) => kind !== ACCESS_TOKEN)) throw new errors.InvalidRequest("only access tokens are exchanged");
  const subject = await about(provider, jwks, params.subject_token);
  if (!subject) throw new errors.InvalidRequest("the subject token is not believed");
  const token = new provider.AccessToken({ accountId: subject, client, gty: "token_exchange", scope: params.scope });
  token.resourceServer = new provider.ResourceServer(params.resource, getResourceServerInfo(ctx, params.resource));
  ctx.body = {
    access_token: await token.save(),
    issued_token_type: ACCESS_TOKEN,
    token_type: token.tokenType,
    expires_in: token.expiration,
    scope: token.scope,
  };
}

// JWTs are not kept, opaque tokens are.
async function about(provider, jwks, token) {
  if (!token?.includes(".")) return (await provider.AccessToken.find(token))?.accountId;
  const keys = jose.createLocalJWKSet({ keys: jwks.keys.map(({ d, p, q, dp, dq, qi, ...open }) => open) });
  const verified = await jose.jwtVerify(token, keys, { issuer: provider.issuer, typ: "at+jwt" }).catch(() => undefined);
  return verified?.payload.sub;
}

function key(alg, { privateKey }) {
  return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: `${alg}-${randomBytes(6).toString("hex")}` };
}
