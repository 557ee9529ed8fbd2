// What is kept on this device: checks that wait to be sent (IndexedDB), until they are received or the person signs out.
(() => {
  const NAME = "smartderma";
  const STORE = "checks";
  const site = (window.smartderma = window.smartderma || {});

  function open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(NAME, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  async function work(mode, action) {
    const database = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode);
        const request = action(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  }

  function changed(value) {
    window.dispatchEvent(new CustomEvent("smartderma:checks"));
    return value;
  }

  site.device = {
    // What belongs to the page (its boxes, its running sends) stays on the page.
    keep: ({ photos, ...check }) => {
      const plain = photos.map(({ box: _box, job: _job, ...photo }) => photo);
      return work("readwrite", (store) => store.put({ ...check, photos: plain })).then(changed);
    },
    forget: (key) => work("readwrite", (store) => store.delete(key)).then(changed),
    wipe: () => work("readwrite", (store) => store.clear()).then(changed),
    all: () => work("readonly", (store) => store.getAll()),
  };
})();
