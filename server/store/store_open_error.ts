/** A store that could not be opened; `cause` is the platform's error, the message says what to change. */
export class StoreOpenError extends Error {
  override readonly name = "StoreOpenError";
}
