/**
 * Loaded before the program (`deno run --preload`): its wall clock is then ahead by so many
 * milliseconds as the variable CLOCK_SHIFT_MS says. Timers and monotonic time are as they are.
 */
const shiftMs = Number(Deno.env.get("CLOCK_SHIFT_MS") ?? 0);
const now = Date.now.bind(Date);
Date.now = () => now() + shiftMs;
