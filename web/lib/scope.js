/** Everything that a widget started and that has to end with it. */
export class Scope {
  #controller = new AbortController();

  /** Aborted when the scope ends: for fetch and for listeners. */
  get signal() {
    return this.#controller.signal;
  }

  get ended() {
    return this.signal.aborted;
  }

  /**
   * @param {EventTarget} target @param {string} type @param {(event: any) => void} listener
   * @param {AddEventListenerOptions} [options]
   */
  listen(target, type, listener, options = {}) {
    target.addEventListener(type, listener, { ...options, signal: this.signal });
  }

  /** Call `end` when the scope ends; at once if it has. @param {() => void} end */
  onEnd(end) {
    if (this.ended) end();
    else this.signal.addEventListener("abort", end, { once: true });
  }

  end() {
    this.#controller.abort();
  }
}
