// @ts-check
/** The number on the page's icon. Nothing here touches the page. */

/** How many there are, as short as an icon has room for; empty: none. @param {number} count */
export const badgeText = (count) => count <= 0 ? "" : count > 99 ? "99+" : String(count);
