/**
 * OpenTelemetry through the platform: where OTEL_DENO is set, Deno sends what is given to it here, with
 * what it measures itself, to the collector that the other OTEL_ variables name.
 */
import type { Sample } from "../node/meter.ts";
import { traceOf, type TraceStep } from "../node/trace.ts";

/** The parts of the OpenTelemetry API (opentelemetry.io/docs/specs/otel) that are used. */
interface Tracer {
  startSpan(
    name: string,
    options: {
      readonly startTime: number;
      readonly attributes: Readonly<Record<string, string | number>>;
    },
    context: Context,
  ): { end(atMs: number): void };
}
interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}
interface Instrument {
  readonly description?: string;
}
interface Meter {
  createObservableCounter(name: string, options: { readonly description: string }): Instrument;
  createObservableGauge(name: string, options: { readonly description: string }): Instrument;
  addBatchObservableCallback(
    read: (to: { observe(of: Instrument, value: number, labels: object): void }) => void,
    of: readonly Instrument[],
  ): void;
}
interface Platform {
  readonly tracerProvider: { getTracer(name: string, version: string): Tracer };
  readonly meterProvider: { getMeter(name: string, version: string): Meter };
}

/** What can be read again and again. */
export interface ReadableSeries {
  readonly series: readonly {
    readonly name: string;
    readonly kind: "counter" | "gauge" | "histogram";
    readonly help: string;
  }[];
  /** The values of all series now; of a histogram, its count and sum under names of their own. */
  read(): Iterable<readonly [name: string, samples: Iterable<Sample>]>;
}

/** See the head of this file. */
export interface Telemetry {
  /** Makes a span of a step, where the message is among those that are sampled. */
  step(step: TraceStep): void;
  /** Exports series from now on, at the platform's interval. */
  meter(from: ReadableSeries): void;
}

const NAME = "roost";
/** By this key a context has its span; the name is part of the API. */
const SPAN = Symbol.for("OpenTelemetry Context Key SPAN");
const HASHES = 2 ** 32;

/** A trace's id for OpenTelemetry: 32 digits, the id of `roost trace` twice. */
export function otelTraceId(trace: string): string {
  return trace + trace;
}

/** A context below the span that nobody has sent, which is the message itself. */
function contextOf(trace: string): Context {
  const ids = { traceId: otelTraceId(trace), spanId: trace, traceFlags: 1, isRemote: true };
  const message = { spanContext: () => ids };
  const context: Context = {
    getValue: (key) => key === SPAN ? message : undefined,
    setValue: () => context,
    deleteValue: () => context,
  };
  return context;
}

/** Whether a message is sampled: the same at every node. */
function isSampled(trace: string, percent: number): boolean {
  return parseInt(trace.slice(0, 8), 16) < HASHES * percent / 100;
}

function makeSteps(tracer: Tracer, node: string, percent: number): Telemetry["step"] {
  return ({ step, at, from, to, id, node: other, n, seq, sessions, code }) => {
    if (id === "" || percent === 0) return;
    const trace = traceOf(from, to, id);
    if (!isSampled(trace, percent)) return;
    const known = Object.entries({ other_node: other, n, seq, sessions, code });
    const attributes: Record<string, string | number> = { "roost.node": node };
    for (const [key, value] of known) if (value !== undefined) attributes[`roost.${key}`] = value;
    const options = { startTime: at, attributes };
    tracer.startSpan(`message ${step}`, options, contextOf(trace)).end(at);
  };
}

function meterSeries(meter: Meter, from: ReadableSeries): void {
  const instruments = new Map<string, Instrument>();
  for (const { name, kind, help: description } of from.series) {
    if (kind === "histogram") {
      for (const part of [`${name}_count`, `${name}_sum`]) {
        instruments.set(part, meter.createObservableCounter(part, { description }));
      }
    } else if (kind === "counter") {
      instruments.set(name, meter.createObservableCounter(name, { description }));
    } else instruments.set(name, meter.createObservableGauge(name, { description }));
  }
  meter.addBatchObservableCallback((to) => {
    for (const [name, samples] of from.read()) {
      for (const [labels, value] of samples) to.observe(instruments.get(name)!, value, labels);
    }
  }, [...instruments.values()]);
}

/**
 * The platform's telemetry for the node `node`, with spans of `percent` of all messages; null where
 * it is off.
 */
export function openTelemetry(
  node: string,
  percent: number,
  version: string,
): Telemetry | null {
  if (!["true", "1"].includes(Deno.env.get("OTEL_DENO")?.toLowerCase() ?? "")) return null;
  const platform = (Deno as { readonly telemetry?: Platform }).telemetry;
  if (platform === undefined) return null;
  const step = makeSteps(platform.tracerProvider.getTracer(NAME, version), node, percent);
  const meter = platform.meterProvider.getMeter(NAME, version);
  return { step, meter: (from) => meterSeries(meter, from) };
}
