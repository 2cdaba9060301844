/** How requests get to the admin API. */

/** One request; `body` undefined for none. */
export interface AdminRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
}

/** Carries a request; resolves with the response, its body parsed. Rejects where there is none. */
export type AdminTransport = (
  request: AdminRequest,
) => Promise<{ readonly status: number; readonly body: unknown }>;
