/** The length of text in UTF-8. */

/**
 * Whether `text` takes more than `bytesMax` bytes in UTF-8. A lone surrogate counts three, as its
 * replacement would. Looks at the characters only where the length alone does not decide.
 */
export function exceedsBytes(text: string, bytesMax: number): boolean {
  if (text.length > bytesMax) return true;
  if (text.length * 3 <= bytesMax) return false;
  return utf8Bytes(text) > bytesMax;
}

/** Bytes of `text` in UTF-8; a lone surrogate counts three, as its replacement would. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x80) continue;
    bytes += c < 0x800 ? 1 : 2;
    if (c >= 0xd800 && c < 0xdc00) {
      const next = text.charCodeAt(i + 1);
      // A pair is four bytes from two units: two more than its length, not four.
      if (next >= 0xdc00 && next < 0xe000) i++;
    }
  }
  return bytes;
}
