/** Where the dashboard is on the admin listener. */
export const DASHBOARD_PATH = "/admin";
