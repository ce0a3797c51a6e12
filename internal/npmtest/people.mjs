// The pages of a provider that is like one of the products: a login at which a test
// says who comes, whether they use a second factor and in which groups they are, and
// the question before a sign-out. There is no consent: an administrator gave it.

import { interactionPolicy } from 'oidc-provider';

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (title, body) => `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`;

const loginPage = (action, hint) => page('Sign in at the provider', `
<form autocomplete="off" action="${escaped(action)}" method="post">
<p><label>Login <input type="text" name="login" id="login" value="${escaped(hint ?? '')}"></label></p>
<p><label>Password <input type="password" name="password" id="password"></label></p>
<p><label><input type="checkbox" name="mfa" id="mfa" value="yes"> With a second factor</label></p>
<p><label>Groups <textarea name="groups" id="groups"></textarea></label></p>
<p><label>Other claims, in JSON <textarea name="claims" id="claims"></textarea></label></p>
<button type="submit" id="sign-in">Sign in</button>
</form>`);

export const logoutPage = (form) => page('Sign out at the provider',
  form.replace('</form>', '<button type="submit" id="sign-out" name="logout" value="yes">Sign out</button></form>'));

// personOf reads the login form. Other claims replace the product's, and null leaves one
// out.
const personOf = (form) => ({
  login: form.get('login') ?? '',
  mfa: form.get('mfa') === 'yes',
  groups: (form.get('groups') ?? '').split(/\s+/).filter(Boolean),
  other: JSON.parse(form.get('claims') || '{}'),
});

const read = async (req) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString());
};

// People are those who have signed in, by their subjects, as they were the last time.
export class People {
  #known = new Map();

  constructor(product, options) {
    this.product = product;
    this.options = options;
  }

  // find is oidc-provider's findAccount.
  find(sub) {
    return {
      accountId: sub,
      claims: (use, scope, asked) => this.#claims(sub, asked ?? {}),
    };
  }

  #claims(sub, asked) {
    const person = this.#known.get(sub);
    const all = {
      sub, email: person.login, name: `Person ${person.login.split('@')[0]}`,
      ...this.product.claims(person, this.options, asked), ...person.other,
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value != null));
  }

  // policy is oidc-provider's, which also asks for a login again when a second factor is
  // asked for and the last login had none. Google has a prompt of its own in place of
  // login.
  policy() {
    const { Check, Prompt, base } = interactionPolicy;
    const policy = base();
    policy.get('login').checks.add(new Check('second_factor', 'a second factor is asked for', ({ oidc }) => (
      this.#asksFactor(oidc) && !oidc.session.amr?.includes('mfa') && !oidc.result?.login
    )));
    policy.add(new Prompt({ name: 'select_account', requestable: true }), 0);
    return policy;
  }

  #asksFactor({ params, claims }) {
    const asked = [...(params.acr_values ?? '').split(' '), claims.id_token?.acrs?.value];
    return this.product.factor !== undefined && asked.includes(this.product.factor);
  }

  // interact shows the login page, and takes its form.
  async interact(provider, req, res) {
    const { prompt, params } = await provider.interactionDetails(req, res);
    if (req.method !== 'POST') {
      res.setHeader('content-type', 'text/html');
      res.end(loginPage(req.originalUrl, params.login_hint));
      return;
    }
    const person = personOf(await read(req));
    const sub = this.product.subject(person.login);
    this.#known.set(sub, person);
    await provider.interactionFinished(req, res, {
      [prompt.name]: {},
      login: { accountId: sub, ...this.product.evidence(person.mfa) },
    });
  }

  // granted is oidc-provider's loadExistingGrant: everything that is asked for.
  async granted({ oidc }) {
    const grant = new oidc.provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope(oidc.params.scope);
    grant.addOIDCClaims(Object.keys(oidc.claims.id_token ?? {}));
    grant.rejectOIDCClaims(this.product.silent ?? []);
    await grant.save();
    return grant;
  }
}
