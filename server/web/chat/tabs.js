// @ts-check
/**
 * One tab at a time uses the remembered sign-in: the client's storage is for one client. A lock of
 * the browser says which; another tab can ask it to let go.
 */

const CHANNEL = "roost chat";
const LOCK = "roost chat";
/** A tab that sleeps does not answer: then the lock is taken from it (ms). */
const ANSWER_MS = 1500;

/** Whether there are locks; without them nothing can be remembered safely. */
export const canRemember = () => "locks" in navigator;

/**
 * Holds the lock until `release`, or until another tab wants it, which calls `lost`. Answers `null`
 * where another tab has it, unless it is to be taken over.
 * @param {{ takeOver: boolean, lost: () => void }} how
 * @returns {Promise<{ release: () => void } | null>}
 */
export async function claim({ takeOver, lost }) {
  const channel = new BroadcastChannel(CHANNEL);
  const held = takeOver
    ? await takeFromOthers(channel, lost)
    : await hold({ ifAvailable: true }, lost);
  if (held === null) {
    channel.close();
    return null;
  }
  let over = false;
  const release = () => {
    over = true;
    channel.close();
    held.release();
  };
  channel.onmessage = () => {
    if (over) return;
    lost();
    release();
  };
  return { release };
}

/**
 * @param {BroadcastChannel} channel
 * @param {() => void} lost
 */
async function takeFromOthers(channel, lost) {
  channel.postMessage("let go");
  try {
    return await hold({ signal: AbortSignal.timeout(ANSWER_MS) }, lost);
  } catch {
    return await hold({ steal: true }, lost);
  }
}

/**
 * @param {LockOptions} options
 * @param {() => void} lost
 * @returns {Promise<{ release: () => void } | null>}
 */
function hold(options, lost) {
  return new Promise((resolve, reject) => {
    let got = false;
    navigator.locks.request(LOCK, options, (lock) => {
      if (lock === null) return resolve(null);
      got = true;
      return new Promise((release) => resolve({ release: () => release(undefined) }));
    }).catch((error) => {
      // It was stolen, or never there.
      if (got) lost();
      else reject(error);
    });
  });
}
