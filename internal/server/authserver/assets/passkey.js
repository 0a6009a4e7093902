// Has the browser ask for a passkey, or make one, and sends what it says in a form.
"use strict";
(() => {
  const bytes = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (b) => (b ? btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") : undefined);
  const known = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));
  const ask = async (how, o) => {
    o.challenge = bytes(o.challenge);
    if (how === "get") {
      o.allowCredentials = known(o.allowCredentials);
      return navigator.credentials.get({ publicKey: o });
    }
    o.user.id = bytes(o.user.id);
    o.excludeCredentials = known(o.excludeCredentials);
    return navigator.credentials.create({ publicKey: o });
  };
  const written = (c) => {
    const r = c.response;
    return JSON.stringify({
      id: c.id, rawId: text(c.rawId), type: c.type, clientExtensionResults: {},
      authenticatorAttachment: c.authenticatorAttachment || undefined,
      response: {
        clientDataJSON: text(r.clientDataJSON), attestationObject: text(r.attestationObject), authenticatorData: r.signature ? text(r.authenticatorData) : undefined,
        signature: text(r.signature), userHandle: text(r.userHandle), transports: r.getTransports ? r.getTransports() : undefined,
      },
    });
  };
  for (const form of window.PublicKeyCredential ? document.querySelectorAll("form[data-passkey]") : []) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button"), wrong = form.querySelector(".wrong");
      button.disabled = wrong.hidden = true;
      try {
        form.elements.answer.value = written(await ask(form.dataset.passkey, JSON.parse(form.dataset.options)));
        form.submit();
      } catch {
        button.disabled = wrong.hidden = false;
      }
    });
  }
})();
