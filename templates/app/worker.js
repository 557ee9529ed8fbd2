// Smart Derma's service worker, version {{ version }}. It keeps the files of SHELL and the page for times without a
// network. Everything else, every page, photo and answer of a person, goes past it and is never kept.
const CACHE = "smartderma-{{ version }}";
const OFFLINE = {{ offline|safe }};
const SHELL = {{ shell|safe }};

self.addEventListener("install", (event) => {
  const fresh = (url) => new Request(url, { cache: "reload", credentials: "omit" });
  const keep = async () => (await caches.open(CACHE)).addAll([OFFLINE, ...SHELL].map(fresh));
  event.waitUntil(keep().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  };
  event.waitUntil(old().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const kept = SHELL.includes(url.pathname) ? url.pathname : request.mode === "navigate" ? OFFLINE : "";
  if (kept) event.respondWith(fetch(request).catch(async () => (await caches.match(kept)) || Response.error()));
});
