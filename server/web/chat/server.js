// @ts-check
/** Where the server is: this file lies below its address, which may have a path. */

/** The server's address, with a slash at its end. */
export const SERVER = new URL("..", import.meta.url);
