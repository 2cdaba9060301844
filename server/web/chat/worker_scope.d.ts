/** What the service worker uses of its scope: its types and those of pages exclude each other. */

/** An event whose work may outlive its handler. */
export interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

/** A request of a page, or for one. */
export interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** A push message came; null: without a text. */
export interface PushEvent extends ExtendableEvent {
  readonly data: { text(): string } | null;
}

/** What a notification keeps: for whom it is, and of which conversation. */
export interface NoteData {
  readonly to: string;
  readonly peer: string | null;
}

/** A notification was clicked. */
export interface NotificationEvent extends ExtendableEvent {
  readonly notification: { readonly data: NoteData | null; close(): void };
}

/** How a notification is shown; `icon` and `badge` are addresses. */
export interface NoteOptions {
  readonly body: string;
  readonly tag: string;
  readonly icon: string;
  readonly badge: string;
  readonly data: NoteData;
}

/** The events of the worker. */
export interface WorkerEvents {
  readonly install: ExtendableEvent;
  readonly activate: ExtendableEvent;
  readonly fetch: FetchEvent;
  readonly push: PushEvent;
  readonly notificationclick: NotificationEvent;
}

/** A window of this origin. */
export interface WindowClient {
  readonly url: string;
  readonly focused: boolean;
  postMessage(message: unknown, transfer?: Transferable[]): void;
  focus(): Promise<unknown>;
}

/** What push messages need of the scope. */
export interface PushScope {
  readonly registration: {
    showNotification(title: string, options: NoteOptions): Promise<void>;
  };
  readonly navigator: { setAppBadge?(count: number): Promise<void> };
  readonly clients: {
    matchAll(options: {
      readonly type: "window";
      readonly includeUncontrolled: boolean;
    }): Promise<readonly WindowClient[]>;
    openWindow(url: string): Promise<unknown>;
  };
}

/** Its global scope. */
export interface WorkerScope extends PushScope {
  readonly location: { readonly href: string };
  readonly clients: PushScope["clients"] & { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener<K extends keyof WorkerEvents>(
    type: K,
    listener: (event: WorkerEvents[K]) => void,
  ): void;
}
