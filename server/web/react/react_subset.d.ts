/**
 * What the hooks use of React, to check them without a dependency on it. In the npm package `react` is
 * the application's own.
 */

/** What a component may have as children. */
export type ReactNode = unknown;
/** What a component returns. */
export interface ReactElement {
  readonly type: unknown;
}
/** Passes a value down the tree. */
export interface Context<T> {
  readonly Provider: (props: { readonly value: T; readonly children?: ReactNode }) => ReactElement;
}

export declare function createContext<T>(initial: T): Context<T>;
export declare function createElement<P>(
  type: (props: P) => ReactElement,
  props: P,
  ...children: readonly ReactNode[]
): ReactElement;
export declare function useContext<T>(context: Context<T>): T;
export declare function useMemo<T>(make: () => T, of: readonly unknown[]): T;
export declare function useSyncExternalStore<T>(
  subscribe: (changed: () => void) => () => void,
  get: () => T,
  getOnServer?: () => T,
): T;
