// An app that signs people in with a library that Watchgate's authors did not write:
// express-openid-connect, which also takes logout tokens (OpenID Connect Back-Channel
// Logout 1.0). It listens on the loopback port given as the first argument, says at /
// who is signed in, and has the library's own routes /login, /logout, /callback and
// /backchannel-logout. It prints "listening URL", and ends when its standard input does.

import { randomBytes } from 'node:crypto';

import express from 'express';
import openid from 'express-openid-connect';

const port = Number(process.argv[2]);
const baseURL = `http://127.0.0.1:${port}`;

// The library asks for a store of express-session's shape, for what it learns of
// sign-outs.
class Memory {
  #kept = new Map();

  get(id, done) { done(null, this.#kept.get(id)); }

  set(id, value, done) { this.#kept.set(id, value); done(null); }

  destroy(id, done) { this.#kept.delete(id); done(null); }
}

const app = express();
app.use(openid.auth({
  issuerBaseURL: process.env.RELYING_PARTY_ISSUER,
  clientID: process.env.RELYING_PARTY_CLIENT_ID,
  clientSecret: process.env.RELYING_PARTY_CLIENT_SECRET,
  baseURL,
  secret: randomBytes(32).toString('hex'),
  authRequired: false,
  idpLogout: true,
  backchannelLogout: { store: new Memory() },
  authorizationParams: { response_type: 'code', scope: 'openid profile email' },
  // Every app of this machine has the same host, and so the same cookies.
  session: { name: `app-${port}` },
  transactionCookie: { name: `app-login-${port}` },
  enableTelemetry: false,
}));
app.get('/', (req, res) => {
  res.type('text/plain').send(req.oidc.isAuthenticated() ? `signed in as ${req.oidc.user.email ?? req.oidc.user.sub}` : 'nobody is signed in');
});

app.listen(port, '127.0.0.1', () => console.log(`listening ${baseURL}`));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
