// Events, and control of how often a function is called.

/** A hub on which listeners subscribe to named events. */
class EventHub {
  /** Make a hub without listeners. */
  constructor() {
    this.listeners = new Map();
  }

  /**
   * Call the listener at each event of this name.
   * Returns a function that ends the subscription.
   */
  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    return () => this.off(name, listener);
  }

  /** Call the listener at the next event of this name only. */
  once(name, listener) {
    const stop = this.on(name, (...values) => {
      stop();
      listener(...values);
    });
    return stop;
  }

  /** Remove a listener; one that is not there is ignored. */
  off(name, listener) {
    this.listeners.get(name)?.delete(listener);
  }

  /**
   * Call all listeners of an event in the order in which they subscribed.
   * Returns how many were called.
   */
  emit(name, ...values) {
    const called = [...(this.listeners.get(name) ?? [])];
    for (const listener of called) listener(...values);
    return called.length;
  }
}

/** Return a function that runs only once its calls have paused for some milliseconds. */
function debounce(action, milliseconds) {
  let timer = null;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}

/**
 * Return a function that runs at most once in a span of milliseconds.
 * Calls that come too early are dropped.
 */
function throttle(action, milliseconds) {
  let last = -Infinity;
  return (...values) => {
    const now = Date.now();
    if (now - last < milliseconds) return undefined;
    last = now;
    return action(...values);
  };
}

/**
 * Apply an asynchronous function to all items, at most `limit` of them at a time.
 * The results come in the order of the items; the first failure rejects the whole.
 */
async function mapWithLimit(items, limit, transform) {
  const results = new Array(items.length);
  let next = 0;
  async function work() {
    while (next < items.length) {
      const index = next++;
      results[index] = await transform(items[index], index);
    }
  }
  const workers = Array.from({ length: Math.min(limit, items.length) }, work);
  await Promise.all(workers);
  return results;
}

module.exports = { EventHub, debounce, throttle, mapWithLimit };
