// An OpenID provider that Watchgate's authors did not write, for tests of signing
// in through one. It listens on the loopback port given as the first argument (0
// picks one), prints "listening ISSUER", and ends when its standard input does, so
// that it never outlives the test that started it.
//
// Who signs in is whoever the login form names: "ada@example.test" becomes the
// subject and the e-mail address, with any password.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';

import { Provider } from 'oidc-provider';


const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const jwk = (kid, alg, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  kid,
  alg,
  use: 'sig',
});

const claimsOf = (login) => ({
  sub: login,
  email: login,
  email_verified: true,
  name: `Person ${login.split('@')[0]}`,
});

const configuration = {
  clients: [{
    client_id: env('UPSTREAM_CLIENT_ID'),
    client_secret: env('UPSTREAM_CLIENT_SECRET'),
    redirect_uris: [env('UPSTREAM_REDIRECT_URI')],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  // True is the letter of OpenID Connect Core 5.4: with an access token there,
  // e-mail and name are to be had at userinfo only. Most providers are laxer.
  conformIdTokenClaims: process.env.UPSTREAM_CLAIMS_IN_ID_TOKEN !== 'true',
  pkce: { required: () => true },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  jwks: {
    keys: [
      jwk('rsa', 'RS256', 'rsa', { modulusLength: 2048 }),
      jwk('ec', 'ES256', 'ec', { namedCurve: 'P-256' }),
    ],
  },
  findAccount: (_, login) => ({ accountId: login, claims: () => claimsOf(login) }),
};

const server = createServer();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(`listening ${issuer}`);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
