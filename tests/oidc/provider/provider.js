// The certified identity provider, for tests/oidc: on a port of its own, for one client.
//
// It is told everything in one line of JSON on its standard input, answers with its issuer in one
// line, and ends when that input is closed, which it is when the tests have ended in whatever way.
// Who there is, and how they are, stands in a file that is read again at each question:
// {"people": {"<sub>": {claims…, "disabled": true}}, "away": true, "clock": 75}
// "clock" is how many seconds its clock is ahead. A person's "all_groups" are what /groups answers,
// two on a page, as the endpoint of a provider whose tokens have no room for them.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const input = createInterface({ input: process.stdin });
input.on("close", () => process.exit(0));
const { file, client, claimsInIdToken } = JSON.parse(
  (await input[Symbol.asyncIterator]().next()).value,
);

const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const { port } = server.address();
const issuer = `http://localhost:${port}`;

const state = () => JSON.parse(readFileSync(file, "utf8"));

const trueTime = Date.now;
Date.now = () => trueTime() + 1000 * (state().clock ?? 0);

function account(sub) {
  const person = state().people[sub];
  if (!person || person.disabled) return undefined;
  return { accountId: sub, claims: () => ({ sub, ...state().people[sub] }) };
}

function keys() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "first", use: "sig", alg: "RS256" }] };
}

// Whoever signs in has agreed: there is one client, and it is the portal.
async function agreed({ oidc }) {
  const grant = new oidc.provider.Grant({
    clientId: oidc.client.clientId,
    accountId: oidc.session.accountId,
  });
  grant.addOIDCScope("openid profile email groups entitlements offline_access");
  await grant.save();
  return grant;
}

const provider = new Provider(issuer, {
  clients: [{ ...client, id_token_signed_response_alg: "RS256" }],
  jwks: keys(),
  claims: {
    openid: ["sub"],
    profile: ["name", "given_name", "family_name", "preferred_username"],
    email: ["email", "email_verified"],
    groups: ["groups", "hasgroups"],
    entitlements: ["eduperson_entitlement"],
  },
  scopes: ["openid", "profile", "email", "groups", "entitlements", "offline_access"],
  conformIdTokenClaims: !claimsInIdToken,
  pkce: { required: () => true },
  issueRefreshToken: () => true,
  rotateRefreshToken: true, // an old one that is used once more ends all of them
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // the portal is on this machine
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: true },
    revocation: { enabled: true },
  },
  interactions: { url: (_ctx, { uid }) => `/sign-in/${uid}` },
  findAccount: (_ctx, sub) => account(sub),
  loadExistingGrant: agreed,
  cookies: {
    keys: [randomBytes(32).toString("hex")],
    // Cookies ignore ports, and there may be two providers and the portal on one host.
    names: { session: `idp-${port}`, interaction: `i-${port}`, resume: `r-${port}` },
  },
  ttl: { AccessToken: 60, AuthorizationCode: 60, IdToken: 300, Interaction: 600, Session: 3600 },
});

const page = (uid, told) => `<!doctype html><html lang="en"><title>Provider</title>
<h1>Provider</h1><p role="alert">${told}</p>
<form method="post" action="/sign-in/${uid}">
<label>Person <input name="person" autofocus></label>
<button>Continue</button> <button name="refuse" value="1">Refuse</button></form></html>`;

async function form(request) {
  let body = "";
  for await (const part of request) body += part;
  return new URLSearchParams(body);
}

async function signIn(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  const given = request.method === "POST" ? await form(request) : new URLSearchParams();
  if (given.get("refuse")) {
    await provider.interactionFinished(request, response, { error: "access_denied" });
  } else if (account(given.get("person"))) {
    await provider.interactionFinished(request, response, {
      login: { accountId: given.get("person") },
    });
  } else {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page(uid, given.has("person") ? "There is nobody of this name." : ""));
  }
}

async function groups(request, response) {
  const url = new URL(request.url, issuer);
  const token = await provider.AccessToken.find(request.headers.authorization?.split(" ")[1]);
  if (!token) return response.writeHead(401).end();
  const all = state().people[token.accountId].all_groups;
  const from = Number(url.searchParams.get("from") ?? 0);
  const page = { value: all.slice(from, from + 2).map((id) => ({ id, displayName: `The ${id}` })) };
  if (from + 2 < all.length) page["@odata.nextLink"] = `${issuer}/groups?from=${from + 2}`;
  response.setHeader("Content-Type", "application/json");
  return response.end(JSON.stringify(page));
}

const answer = provider.callback();
server.on("request", (request, response) => {
  if (state().away) {
    response.statusCode = 503;
    response.end("away");
  } else if (/^\/(sign-in\/|groups)/.test(request.url)) {
    const act = request.url.startsWith("/groups") ? groups : signIn;
    act(request, response).catch((error) => {
      response.statusCode = 400;
      response.end(String(error));
    });
  } else {
    answer(request, response);
  }
});
console.log(issuer);
