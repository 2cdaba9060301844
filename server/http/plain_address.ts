/** Addresses as they are compared and shown. */

/** `::ffff:192.0.2.1` is 192.0.2.1. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
