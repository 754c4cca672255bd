// JWE (RFC 7516), compact: ECDH-ES on P-256 with Concat KDF (RFC 7518, 4.6), A256GCM. Only the service can open it.
const ENCODER = new TextEncoder();
const CURVE = { name: "ECDH", namedCurve: "P-256" };
const TAG_BYTES = 16;
const CHUNK = 0x8000;

/** An envelope for the holder of `jwk` alone, to be closed once; `more` goes into its header, which anybody can read.
 * Answers `close(content)`, from bytes to the sealed text. */
export async function envelope(jwk, more = {}) {
  const own = await crypto.subtle.generateKey(CURVE, true, ["deriveBits"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", own.publicKey);
  const theirs = await crypto.subtle.importKey("jwk", { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }, CURVE, false, []);
  const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, own.privateKey, 256);
  const key = await crypto.subtle.importKey("raw", await derived(shared), "AES-GCM", false, ["encrypt"]);
  const header = { alg: "ECDH-ES", enc: "A256GCM", kid: jwk.kid, epk: { kty, crv, x, y }, ...more };
  const written = base64url(ENCODER.encode(JSON.stringify(header)));
  const additionalData = ENCODER.encode(written);
  return async (content) => {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const how = { name: "AES-GCM", iv, additionalData, tagLength: TAG_BYTES * 8 };
    const sealed = new Uint8Array(await crypto.subtle.encrypt(how, key, content));
    const parts = [iv, sealed.subarray(0, -TAG_BYTES), sealed.subarray(-TAG_BYTES)].map(base64url);
    return `${written}..${parts.join(".")}`;
  };
}

export async function seal(content, jwk, more) {
  return (await envelope(jwk, more))(content);
}

export const written = (value) => ENCODER.encode(JSON.stringify(value));

// One round: the key is as long as the digest. Neither side has a name in it.
function derived(shared) {
  const algorithm = ENCODER.encode("A256GCM");
  const parts = [number(1), new Uint8Array(shared), number(algorithm.length), algorithm, number(0), number(0), number(256)];
  return new Blob(parts).arrayBuffer().then((bytes) => crypto.subtle.digest("SHA-256", bytes));
}

function number(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function base64url(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
