// What the ID tokens of four well-known products look like: their subjects, their
// claims, and how each says, or does not say, that somebody used a second factor. Drawn
// from what each documents about its own ID tokens.

import { createHash } from 'node:crypto';

const digest = (text) => createHash('sha256').update(text).digest('hex');

const guid = (text) => digest(text).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');

// Entra puts no more than this many groups into a JWT, and says elsewhere where they are.
const maxEntraGroups = 200;

const entraGroups = (person, { directory }) => (person.groups.length <= maxEntraGroups
  ? { groups: person.groups }
  : {
    _claim_names: { groups: 'src1' },
    _claim_sources: {
      src1: { endpoint: `https://graph.windows.net/${directory}/users/${guid(person.login)}/getMemberObjects` },
    },
  });

// everyName are the claims that any of them has: a test may put those of one into the
// tokens of another.
export const everyName = [
  'acct', 'azp', 'email', 'email_verified', 'groups', 'hd', 'idp', 'oid', 'org_id', 'roles', 'tid', 'ver', 'xms_edov',
];

// A product has
// - subject: the sub of a login;
// - scopes: its claims in ID tokens, by the scope that asks for them;
// - claims: what it says of a person, who has login, mfa and groups; asked are the
//   claims that the request names;
// - evidence: acr and amr of a sign-in, which are in the ID token only where scopes
//   have them or the request asks;
// - factor: the value of acr_values, or of the claim acrs, that asks for a second factor;
// - silent: claims that it does not make, whatever the request asks for.
export const products = {
  okta: {
    subject: (login) => `00u${digest(login).slice(0, 17)}`,
    scopes: { openid: ['amr', 'auth_time', 'idp', 'ver'], groups: ['groups'], profile: ['name', 'preferred_username'] },
    claims: (person) => ({
      ver: 1, idp: '00o1a2b3c4D5e6F7g8h9', preferred_username: person.login, email_verified: true,
      groups: person.groups,
    }),
    evidence: (mfa) => ({
      amr: mfa ? ['mfa', 'otp', 'pwd'] : ['pwd'],
      acr: mfa ? 'urn:okta:loa:2fa:any' : 'urn:okta:loa:1fa:any',
    }),
    acrValues: ['urn:okta:loa:1fa:any', 'urn:okta:loa:2fa:any'],
    factor: 'urn:okta:loa:2fa:any',
  },
  entra: {
    subject: (login) => Buffer.from(digest(`pairwise ${login}`), 'hex').toString('base64url'),
    scopes: {
      openid: ['acct', 'auth_time', 'groups', 'oid', 'tid', 'ver'],
      email: ['email', 'xms_edov'],
      profile: ['name', 'preferred_username'],
    },
    claims: (person, options, asked) => ({
      ver: '2.0', tid: options.directory, oid: guid(person.login), acct: 0, xms_edov: true,
      preferred_username: person.login, ...entraGroups(person, options),
      ...(asked.acrs && person.mfa ? { acrs: [asked.acrs.value] } : {}),
    }),
    evidence: (mfa) => ({ amr: mfa ? ['pwd', 'mfa'] : ['pwd'] }),
    acrValues: [],
    factor: 'c1',
  },
  auth0: {
    subject: (login) => `auth0|${digest(login).slice(0, 24)}`,
    scopes: { openid: ['amr', 'auth_time', 'org_id'], profile: ['name', 'nickname'] },
    claims: (person, { roleClaim, organization }) => ({
      nickname: person.login.split('@')[0], email_verified: true, org_id: organization || undefined,
      ...(roleClaim ? { [roleClaim]: person.groups } : {}),
    }),
    evidence: (mfa) => ({ amr: mfa ? ['mfa'] : undefined }),
    acrValues: ['http://schemas.openid.net/pape/policies/2007/06/multi-factor'],
    factor: 'http://schemas.openid.net/pape/policies/2007/06/multi-factor',
  },
  google: {
    subject: (login) => BigInt(`0x${digest(login).slice(0, 17)}`).toString().padStart(21, '1'),
    scopes: { openid: ['azp', 'hd'], profile: ['name', 'given_name'] },
    claims: (person, { clientID, hostedDomain }) => ({
      azp: clientID, hd: hostedDomain, given_name: person.login.split('@')[0], email_verified: true,
    }),
    evidence: () => ({}),
    acrValues: [],
    factor: undefined,
    silent: ['auth_time'],
  },
};
