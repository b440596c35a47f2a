// A certified OpenID provider for the tests: provider.mjs PORT CALLBACK. The account's name says its groups: name.group.group.
import Provider from "oidc-provider";

// Debian 12 has Node 18, which lacks it.
URL.parse ??= (address, base) => (URL.canParse(address, base) ? new URL(address, base) : null);

const [port, callback] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{ client_id: "office", client_secret: "office:secret %", redirect_uris: [callback] }],
    claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
    conformIdTokenClaims: false,
    cookies: { keys: ["of a test"] },
    findAccount: (_, id) => {
        const [name, ...groups] = id.split(".");
        return { accountId: id, claims: () => ({ sub: id, preferred_username: name, groups }) };
    },
});
// Its pages name a font elsewhere, which a machine without a network waits for.
provider.use(async (context, next) => {
    await next();
    if (typeof context.body === "string") context.body = context.body.replace(/@import url[^;]*;/, "");
});
provider.listen(Number(port), "127.0.0.1");
