// What stays on the device: its key and pack, numbers in stock, and what waits, sealed. Nothing of a person is readable.
const NAME = "one-window-kiosk";
let opened;

function database() {
  opened ??= new Promise((done, failed) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("device");
      asked.result.createObjectStore("numbers", { keyPath: "receipt_number" });
      asked.result.createObjectStore("queue", { keyPath: "id" });
    };
    asked.onsuccess = () => {
      asked.result.onclose = () => (opened = undefined);
      done(asked.result);
    };
    asked.onerror = () => failed(asked.error);
  });
  opened.catch(() => (opened = undefined)); // the next one asks anew
  return opened;
}

/** Run `work(store, give)` in one transaction; what it gives is the answer once all of it is on disk. */
async function within(name, mode, work) {
  const transaction = (await database()).transaction(name, mode, { durability: "strict" });
  return new Promise((done, failed) => {
    let given;
    transaction.oncomplete = () => done(given);
    transaction.onerror = transaction.onabort = () => failed(transaction.error);
    work(transaction.objectStore(name), (value) => (given = value));
  });
}

const ask = (request, then) => (request.onsuccess = () => then(request.result));

export const remembered = (name) => within("device", "readonly", (store, give) => ask(store.get(name), give));
export const remember = (name, value) => within("device", "readwrite", (store) => store.put(value, name));

export const stock = () => within("numbers", "readonly", (store, give) => ask(store.count(), give));
export const addNumbers = (numbers) => within("numbers", "readwrite", (store) => numbers.forEach((each) => store.put(each)));

/** A number that no other tab and no later visit gets; undefined when there is none. */
export function takeNumber() {
  return within("numbers", "readwrite", (store, give) =>
    ask(store.openCursor(), (found) => {
      if (!found) return;
      give(found.value);
      found.delete();
    }));
}

export const waiting = () => within("queue", "readonly", (store, give) => ask(store.getAll(), give));
export const keep = (entries) => within("queue", "readwrite", (store) => entries.forEach((each) => store.put(each)));

/** What was sent goes; its photographs learn what their request is called. */
export function forget(id, requestId) {
  return within("queue", "readwrite", (store) => {
    store.delete(id);
    if (!requestId) return;
    ask(store.getAll(), (entries) =>
      entries.filter((each) => each.of === id).forEach((each) => store.put({ ...each, request_id: requestId })));
  });
}
