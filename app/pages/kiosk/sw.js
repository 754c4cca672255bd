// The files of the page, kept on the device. Before this line the service writes VERSION and FILES.
const KEPT = `kiosk-files-${VERSION}`;
const VOICES = "kiosk-voices";

self.addEventListener("install", (event) => {
  const fresh = FILES.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name !== KEPT && name !== VOICES);
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(old(names).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

// What people send and are answered goes past here: only the page's own files are ever kept.
self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  const ours = address.origin === self.location.origin && address.pathname.startsWith("/kiosk/");
  if (event.request.method !== "GET" || !ours) return;
  if (address.pathname.startsWith("/kiosk/voices")) event.respondWith(voice(event, address.pathname));
  else event.respondWith(file(event.request, address.pathname));
});

async function file(request, path) {
  return (await (await caches.open(KEPT)).match(path)) ?? fetch(request);
}

// The list of recordings is asked for anew when there is a line; a recording that was heard once is played at once and
// looked at again meanwhile: the next time it is the one that the service has by then.
async function voice(event, path) {
  const kept = await caches.open(VOICES);
  const known = await kept.match(path);
  const found = ask(kept, path);
  if (known && path.endsWith(".mp3")) {
    event.waitUntil(found.catch(() => null));
    return known;
  }
  return found.catch((error) => {
    if (known) return known;
    throw error;
  });
}

async function ask(kept, path) {
  const found = await fetch(path, { cache: "no-cache" });
  if (found.status === 200) await kept.put(path, found.clone());
  if (found.status === 404) await kept.delete(path);
  return found;
}
