// An OpenID provider that Watchgate's authors did not write, for tests of signing
// in through one. It listens on the loopback port given as the first argument (0
// picks one), prints "listening ISSUER", and ends when its standard input does, so
// that it never outlives the test that started it.
//
// Who signs in is whoever the login form names: "ada@example.test" becomes the
// subject and the e-mail address, with any password. Where UPSTREAM_PRODUCT names one
// of products.mjs, its tokens and its issuer are like those of that product.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';

import { Provider } from 'oidc-provider';

import { People, logoutPage } from './people.mjs';
import { everyName, products } from './products.mjs';

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

// options are name, path and what the product's claims need.
const options = { clientID: env('UPSTREAM_CLIENT_ID'), path: '', ...JSON.parse(process.env.UPSTREAM_PRODUCT || '{}') };
const product = products[options.name];
const people = product && new People(product, options);
const backchannel = process.env.UPSTREAM_BACKCHANNEL_LOGOUT_URI;

const configuration = {
  clients: [{
    client_id: options.clientID,
    client_secret: env('UPSTREAM_CLIENT_SECRET'),
    redirect_uris: [env('UPSTREAM_REDIRECT_URI')],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    ...(backchannel ? { backchannel_logout_uri: backchannel, backchannel_logout_session_required: true } : {}),
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  features: {
    backchannelLogout: { enabled: Boolean(backchannel) },
    rpInitiatedLogout: { logoutSource: (ctx, form) => { ctx.body = logoutPage(form); } },
  },
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

// asProduct changes the configuration into that of a product.
const asProduct = () => {
  const { claims, features } = configuration;
  for (const [scope, names] of Object.entries(product.scopes)) {
    claims[scope] = [...new Set([...(claims[scope] ?? []), ...names])];
  }
  claims.openid.push(...everyName, ...(options.roleClaim ? [options.roleClaim] : []));
  Object.assign(claims, { acr: null, acrs: null, sid: null, iss: null });
  Object.assign(features, { claimsParameter: { enabled: true }, devInteractions: { enabled: false } });
  Object.assign(configuration, {
    acrValues: product.acrValues,
    conformIdTokenClaims: false,
    findAccount: (_, sub) => people.find(sub),
    interactions: { policy: people.policy(), url: (_, { uid }) => `${base}/interaction/${uid}` },
    loadExistingGrant: (ctx) => people.granted(ctx),
  });
};

const base = options.path.replace(/\/$/, '');
if (product) asProduct();

// serve answers what lies below the issuer's path, and nothing beside it.
const serve = (provider) => {
  const callback = provider.callback();
  return (req, res) => {
    if (!req.url.startsWith(`${base}/`)) {
      res.writeHead(404).end();
      return;
    }
    req.originalUrl = req.url;
    req.url = req.url.slice(base.length);
    if (!product || !req.url.startsWith('/interaction/')) {
      callback(req, res);
      return;
    }
    people.interact(provider, req, res).catch((err) => {
      console.error(err);
      res.writeHead(500).end(err.message);
    });
  };
};

const server = createServer();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}${options.path}`;
  const provider = new Provider(issuer, configuration);
  for (const event of ['server_error', 'backchannel.error']) {
    provider.on(event, (ctx, err) => console.error(event, err));
  }
  server.on('request', serve(provider));
  console.log(`listening ${issuer}`);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
