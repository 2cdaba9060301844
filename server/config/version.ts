/** The program's version, as `roost --version`, `/metrics` and the admin API show it. */
export const VERSION = "0.1.0";
