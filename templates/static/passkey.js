"use strict";
(() => {
  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  const problem = form.querySelector("[data-problem]");
  if (!window.PublicKeyCredential || !navigator.credentials) {
    form.querySelector("button").remove();
    problem.querySelector("span").textContent = "This browser has no passkeys.";
    problem.hidden = form.hidden = false;
    return;
  }
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const listed = (all) => (all || []).map((c) => ({ ...c, id: bytes(c.id) }));
  const creating = form.dataset.passkey === "create";

  const parsed = (options) => {
    const parse = creating ? PublicKeyCredential.parseCreationOptionsFromJSON : PublicKeyCredential.parseRequestOptionsFromJSON;
    if (parse) return parse.call(PublicKeyCredential, options);
    const own = { ...options, challenge: bytes(options.challenge) };
    if (!creating) return { ...own, allowCredentials: listed(options.allowCredentials) };
    return { ...own, user: { ...options.user, id: bytes(options.user.id) }, excludeCredentials: listed(options.excludeCredentials) };
  };

  const written = (made) => {
    if (made.toJSON) return JSON.stringify(made);
    const from = made.response;
    const response = { clientDataJSON: text(from.clientDataJSON) };
    if (creating) {
      response.attestationObject = text(from.attestationObject);
      response.transports = from.getTransports ? from.getTransports() : [];
    } else {
      response.authenticatorData = text(from.authenticatorData);
      response.signature = text(from.signature);
      if (from.userHandle) response.userHandle = text(from.userHandle);
    }
    return JSON.stringify({
      id: made.id, rawId: text(made.rawId), type: made.type, response,
      authenticatorAttachment: made.authenticatorAttachment, clientExtensionResults: made.getClientExtensionResults(),
    });
  };

  const says = {
    InvalidStateError: "This device has a passkey of yours for this account already.",
    NotAllowedError: "The passkey was not used. Try again when you are ready.",
    AbortError: "The passkey was not used. Try again when you are ready.",
    SecurityError: "Passkeys cannot be used at this address.",
    NotSupportedError: "This device cannot make a passkey that is good enough.",
  };

  form.addEventListener("submit", async (event) => {
    const field = form.elements.response;
    if (field.value) return;
    event.preventDefault();
    problem.hidden = true;
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const publicKey = parsed(JSON.parse(form.dataset.options));
      field.value = written(await navigator.credentials[creating ? "create" : "get"]({ publicKey }));
      form.submit();
    } catch (error) {
      problem.querySelector("span").textContent = says[error.name] || "The passkey could not be used.";
      problem.hidden = false;
    }
    button.disabled = false;
  });
  form.hidden = false;
})();
