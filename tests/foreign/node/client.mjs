// An authority's system in Node.js, by docs/integrating.md alone: `jose` for tokens and receipts, the official
// `standardwebhooks` as the receiver, and what Node itself brings for the rest.
//
// stdin: {"polku": address, "client_id": …, "key": private JWK, "body": a referral}. stdout: what it saw, as JSON.

import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { json as read, text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from "jose";
import { Webhook } from "standardwebhooks";

const { polku, client_id, key, body } = await read(process.stdin);
const API = `${polku}/referral/api/v1`;

async function token() {
  const where = await (await fetch(`${polku}/.well-known/oauth-authorization-server`)).json();
  const proof = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: "ES256", typ: "client-authentication+jwt" })
    .setIssuer(client_id)
    .setSubject(client_id)
    .setAudience(where.issuer)
    .setIssuedAt()
    .setExpirationTime("1 minute")
    .sign(await importJWK(key, "ES256"));
  const answer = await fetch(where.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: proof,
    }),
  });
  return (await answer.json()).access_token;
}

const authorization = `Bearer ${await token()}`;

async function call(method, path, sent) {
  const headers = { authorization, ...(sent && { "content-type": "application/json" }) };
  const answer = await fetch(API + path, { method, headers, body: sent });
  return { status: answer.status, told: answer.status === 204 ? null : await answer.json() };
}

const fails = (work) => Promise.resolve().then(work).then(() => false, () => true);
const changed = (said) => said.slice(0, -9) + (said.at(-9) === "A" ? "B" : "A") + said.slice(-8);

// The receipt, offline: the keys were fetched once and are kept with it.
const sent = JSON.stringify(body);
const first = await call("POST", "/referrals", sent);
const again = await call("POST", "/referrals", sent);
const keys = createLocalJWKSet(await (await fetch(`${polku}/referral/oauth/jwks`)).json());
const proven = (receipt) => jwtVerify(receipt, keys, { algorithms: ["ES256"], typ: "polku-receipt+jwt" });
const { payload } = await proven(first.told.receipt);

// The way back. The secret comes with the answer to the registration, and the challenge may come before that.
const next = { ...body, external_id: `${body.external_id}/2` };
const { promise: verifying, resolve: verify } = Promise.withResolvers();
const { promise: delivered, resolve: deliver } = Promise.withResolvers();
const receiver = createServer(async (request, response) => {
  const came = await text(request);
  const hook = await verifying;
  const event = hook.verify(came, request.headers);
  response.end(event.data.challenge);
  if (event.data.external_id === next.external_id) {
    // That of the first may come too: it depends on when it reached the feed.
    deliver({ event, forged: await fails(() => hook.verify(came.replace("received", "accepted"), request.headers)) });
  }
}).listen(0, "127.0.0.1");
await once(receiver, "listening");
const registered = await call("POST", "/webhooks", JSON.stringify({ url: `http://127.0.0.1:${receiver.address().port}/` }));
verify(new Webhook(registered.told.verify_with));
while ((await call("GET", `/webhooks/${registered.told.id}`)).told.state !== "active") await setTimeout(50);
const second = await call("POST", "/referrals", JSON.stringify(next));
const { event, forged } = await delivered;
const removed = await call("DELETE", `/webhooks/${registered.told.id}`);
receiver.close();
receiver.closeAllConnections();

console.log(
  JSON.stringify({
    statuses: [first, again, registered, second, removed].map((answer) => answer.status),
    same: first.told.id === again.told.id,
    receipt: [payload.external_id, payload.jti === first.told.id],
    is_about_what_was_sent: payload.body_sha256 === createHash("sha256").update(sent).digest("hex"),
    changed_receipt_fails: await fails(() => proven(changed(first.told.receipt))),
    event: [event.type, event.data.external_id, event.data.referral_id === second.told.id],
    changed_event_fails: forged,
  }),
);
