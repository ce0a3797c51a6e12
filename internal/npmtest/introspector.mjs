// npm's oidc-provider with its in-memory adapter, for comparing how fast it answers
// introspection requests. It listens on a free loopback port, prints
// "listening ISSUER", and ends when its standard input does, so that it never
// outlives whoever started it.
//
// Its one client gets opaque access tokens by client credentials and asks about
// them, with client_secret_basic.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';

import { Provider } from 'oidc-provider';


const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const configuration = {
  clients: [{
    client_id: env('UPSTREAM_CLIENT_ID'),
    client_secret: env('UPSTREAM_CLIENT_SECRET'),
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [],
    grant_types: ['client_credentials'],
    response_types: [],
    scope: 'monitor:read',
  }],
  scopes: ['monitor:read'],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
  },
  ttl: { ClientCredentials: 3600 },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  jwks: { keys: [{ ...key, kid: 'ec', alg: 'ES256', use: 'sig' }] },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(`listening ${issuer}`);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
