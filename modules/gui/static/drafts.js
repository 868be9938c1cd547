// What was painted and is not stored yet, kept by the browser: it outlives a reload. One draft a tab.
const STORE = "drafts";

function open() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("easel", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

/** Does one thing with the drafts. A browser that keeps nothing (private windows, full disks) gives null. */
async function within(mode, does) {
  try {
    const database = await open();
    const asked = does(database.transaction(STORE, mode).objectStore(STORE));
    return await new Promise((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result ?? null);
      asked.onerror = () => reject(asked.error);
      asked.transaction.oncomplete = () => database.close();
    });
  } catch (refused) {
    console.warn("The browser keeps no drafts of what is painted:", refused);
    return null;
  }
}

export const keepDraft = (tab, draft) => within("readwrite", (drafts) => drafts.put(draft, tab));
export const readDraft = (tab) => within("readonly", (drafts) => drafts.get(tab));
export const dropDraft = (tab) => within("readwrite", (drafts) => drafts.delete(tab));
