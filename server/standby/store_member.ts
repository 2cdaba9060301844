/**
 * One copy of a cell's store at one place: as a standby it follows the primary, as the primary it is
 * what the cell serves from. It is the only thing at its place that has the rows open, or that lets
 * something else open them, once its role says so.
 */
import type { Cancel } from "../node/ports.ts";
import { CopySide } from "./copy_side.ts";
import { Lending } from "./lending.ts";
import type { MemberId, Registered, RoleMessage, Roles } from "./role_types.ts";
import type { MemberOptions, MemberView } from "./member_options.ts";
import { type TakeUnreplicated, UnreplicatedDelivery } from "./unreplicated_delivery.ts";
import type { NumberedRows } from "./numbered_rows.ts";
import { PrimarySide } from "./primary_side.ts";
import { RoleDriver } from "./role_driver.ts";
import { RoleRegister } from "./role_register.ts";
import type { StandbyFrame } from "./link_frames.ts";
import type { StandbyPeer } from "./peer.ts";

/** How often a primary looks whether everything is at its successor (ms). */
const DRAINED_LOOK_MS = 20;
/** How long writes wait for a handover; after that the primary keeps its role, if it can (ms). */
const HANDING_MS = 5000;

const ELSEWHERE = "another place serves this cell";

/** See the head of this file. */
export class StoreMember {
  readonly #options: MemberOptions;
  readonly #driver: RoleDriver;
  readonly #register: RoleRegister;
  readonly #delivery: UnreplicatedDelivery;
  readonly #lending: Lending;
  /** Takes messages of a former primary, once this process serves. */
  takeUnreplicated: TakeUnreplicated | null = null;
  /** Through which link a member was last heard. */
  readonly #heard = new Map<MemberId, StandbyPeer>();
  #copy: CopySide | null = null;
  #primary: PrimarySide | null = null;
  #opening = false;
  #whole: boolean;
  #served = false;
  #handingTo: MemberId | null = null;
  #handed: (done: boolean) => void = () => {};
  /** The handover takes too long, and whether it will happen is not known. */
  #overdue = false;
  #next: Cancel = () => {};
  #ended = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#delivery = new UnreplicatedDelivery({ ...options, file: options.unreplicated });
    const { founds, member, place, servedEpoch, voter, votes } = options;
    const { times } = voter.stored;
    this.#lending = new Lending(options.clock, times.leaseMs);
    this.#register = new RoleRegister({
      ...options,
      place,
      voter: votes ? voter : null,
      voters: () => voter.voters,
      tell: (frame) => this.#tell(frame),
    });
    // A copy that this process will not follow is the primary's own.
    this.#whole = options.openCopy === null;
    this.#driver = new RoleDriver({
      ...options,
      role: { self: member, times, founds, whole: this.#whole, servedEpoch },
      register: this.#register,
      send: (to, message) => this.#send(to, message),
      asks: (roles) => this.#asks(roles),
      require: (members) => this.#require(members),
      serve: (epoch) => this.#serve(epoch),
      stop: () => this.#stop(),
      stepped: () => this.#stepped(),
    });
  }

  /** Opens the copy, and takes part. Rejects where it cannot be opened. */
  async start(): Promise<void> {
    await this.#openCopy();
    this.#driver.start();
    this.#tick();
  }

  /** Ends; closes the copy. */
  end(done: () => void): void {
    this.#ended = true;
    this.#next();
    this.#driver.end();
    this.#register.stop();
    this.#primary?.stop();
    const copy = this.#copy;
    this.#copy = null;
    if (copy === null) done();
    else copy.close(done);
  }

  /** Whether it may reply to requests; `withheld`: another place replies to them when repeated. */
  get mayServe(): boolean | "withheld" {
    if (this.#primary === null || this.#driver.serves) return true;
    if (this.#handingTo === null) return false;
    return this.#ended ? "withheld" : !this.#overdue && this.#driver.leased;
  }

  /** For how long another process of this machine may reply to requests, from now on (ms). */
  lend(): number {
    return this.#handingTo === null ? this.#lending.lend(this.#driver.leaseLeftMs) : 0;
  }

  get registered(): Registered | null {
    return this.#driver.machine.registered;
  }

  get view(): MemberView {
    const { cell, member, mode, voter } = this.#options;
    const { registered } = this;
    const roles = registered?.roles ?? null;
    const inSync = roles?.inSync ?? [];
    return {
      cell,
      member,
      role: this.#served ? "primary" : this.#copy?.view.following === true ? "standby" : "waiting",
      epoch: roles?.epoch ?? 0,
      mode,
      voters: voter.voters.places,
      registered: registered !== null,
      inSync: inSync.includes(member),
      copy: this.#copy?.view ?? null,
      standbys: this.#primary?.views(inSync) ?? [],
      wanted: this.#options.wanted?.() ?? null,
    };
  }

  /** The primary has opened the rows, which are numbered. */
  opened(rows: NumberedRows): void {
    const { machine } = this.#driver;
    this.#primary = new PrimarySide({
      ...this.#options,
      rows,
      times: this.#options.voter.stored.times,
      epoch: () => machine.isPrimary ? machine.registered!.roles!.epoch : null,
      voters: () => this.#options.voter.voters,
      peers: () => this.#options.standbys(),
      step: (input) => this.#driver.step(input),
    });
    const required = machine.registered?.roles?.inSync ?? [];
    this.#primary.require(required);
    if (!this.#driver.machine.serving) this.#primary.gate.close("the lease is over");
  }

  // ---- frames

  /** Takes a frame of a linked process. */
  take(peer: StandbyPeer, frame: StandbyFrame): void {
    if (this.#ended || frame.cell !== this.#options.cell) return;
    const { cell, member, place, voter, votes } = this.#options;
    switch (frame.kind) {
      case "role":
        if (frame.to !== member) return;
        this.#heard.set(frame.from, peer);
        return this.#driver.step({ kind: "message", from: frame.from, message: frame.message });
      case "ask": {
        if (!votes || frame.place !== place) return;
        const vote = voter.take(frame.voters, frame.ask);
        if (vote !== null) peer.send({ kind: "vote", cell, place, vote });
        else if (frame.voters.generation < voter.voters.generation) {
          peer.send({ kind: "voters", cell, voters: voter.voters });
        }
        return;
      }
      case "vote":
        return this.#register.voted(frame.place, frame.vote);
      case "voters":
        return void voter.learn(frame.voters);
      case "voters_ask":
        return void peer.send({ kind: "voters", cell, voters: voter.voters });
      case "offer":
        voter.learn(frame.voters);
        this.#heard.set(frame.member, peer);
        return this.#copy?.take(peer, frame);
      case "unreplicated": {
        const reply = { kind: "resubmitted", cell, n: frame.n } as const;
        if (!this.#driver.serves || !this.#options.standbys().includes(peer)) return;
        return this.takeUnreplicated?.(frame.messages, () => void peer.send(reply));
      }
      case "resubmitted":
        return this.#delivery.taken(frame.n);
      case "accepted":
        this.#heard.set(frame.member, peer);
    }
    this.#copy?.take(peer, frame);
    this.#primary?.take(peer, frame);
  }

  /** A process is linked. */
  linked(): void {
    if (!this.#ended) this.#register.again();
  }

  /** A link is over. */
  closed(peer: StandbyPeer): void {
    this.#copy?.closed(peer);
    this.#primary?.closed(peer);
    for (const [member, other] of this.#heard) {
      if (other === peer) this.#heard.delete(member);
    }
  }

  // ---- orders

  /** An operator makes this copy the primary; `anyway`: though it is not in sync. */
  promote(anyway: boolean): void {
    // A question to voters that are gone would be waited for first.
    this.#register.stop();
    this.#driver.step({ kind: "promote", anyway });
  }

  /**
   * Makes the standby that is in sync the primary; `done(false)` where none is, it is lost, or not
   * within `HANDING_MS`. Writes that begin meanwhile wait; once it is handed over, requests get no
   * reply. A change of the register that was asked for in time may still happen: until that is known
   * requests are refused.
   */
  handOver(done: (handed: boolean) => void): void {
    const { clock, timers } = this.#options;
    const { machine } = this.#driver;
    const to = this.registered?.roles?.inSync[0];
    const primary = this.#primary;
    if (primary === null || to === undefined || this.#handingTo !== null) return done(false);
    this.#handingTo = to;
    this.#handed = done;
    this.#overdue = false;
    const untilMs = clock.monoMs() + HANDING_MS;
    primary.gate.pause();
    this.#driver.step({ kind: "hand_over", to });
    const look = () => {
      if (this.#handingTo !== to || this.#ended) return;
      const late = clock.monoMs() >= untilMs;
      if (late) this.#driver.step({ kind: "keep" });
      // It did not begin, the successor is gone, or it took too long.
      if (machine.serving || late && !machine.handsOver) return this.#handingFailed(primary);
      if (late) this.#isOverdue();
      else if (primary.hasAll(to) && this.#lending.over) this.#driver.step({ kind: "drained" });
      timers.after(DRAINED_LOOK_MS, look);
    };
    look();
  }

  #handingFailed({ gate }: PrimarySide): void {
    this.#handingTo = null;
    if (this.#driver.machine.serving) gate.reopen();
    else gate.close("the lease is over");
    this.#reply(false);
  }

  #isOverdue(): void {
    if (this.#overdue) return;
    this.#overdue = true;
    this.#options.log.warn("handover of unknown outcome", { cell: this.#options.cell });
    this.#reply(false);
  }

  #reply(done: boolean): void {
    const handed = this.#handed;
    this.#handed = () => {};
    handed(done);
  }

  // ---- roles

  #tick(): void {
    const { timers, voter } = this.#options;
    if (this.#ended) return;
    this.#next = timers.after(voter.stored.times.beaconMs / 2, () => this.#tick());
    this.#primary?.tick();
    this.#noteWhole();
    this.#deliver();
  }

  /** What this place has acknowledged alone goes to the primary: another place, or this process. */
  #deliver(): void {
    const { voter } = this.#options;
    const primary = this.#copy?.followed ?? null;
    if (primary !== null && voter.stored.wrote === true) voter.save({ wrote: false });
    if (!this.#delivery.pending) return;
    if (primary !== null) this.#delivery.offer(primary);
    else if (this.takeUnreplicated !== null && this.#driver.serves) {
      this.#delivery.give(this.takeUnreplicated);
    }
  }

  async #openCopy(): Promise<void> {
    const { cell, member, openCopy } = this.#options;
    if (openCopy === null || this.#opening) return;
    this.#opening = true;
    const rows = await openCopy();
    const { machine } = this.#driver;
    this.#copy = await new Promise<CopySide>((resolve, reject) =>
      CopySide.open(rows, {
        cell,
        member,
        follows: (epoch) => machine.follows(epoch),
        changed: () => this.#noteWhole(),
        keepReplaced: () => {
          const wrote = this.#options.voter.stored.wrote === true;
          return wrote ? (rows) => this.#delivery.keep(rows) : null;
        },
      }, (error, side) => side === null ? reject(new Error(error!.message)) : resolve(side))
    );
    this.#opening = false;
    this.#noteWhole();
  }

  #noteWhole(): void {
    const copy = this.#copy;
    if (copy === null || copy.whole === this.#whole) return;
    this.#whole = copy.whole;
    if (copy.whole) this.#options.ready();
    this.#driver.step({ kind: "whole", whole: copy.whole });
  }

  #serve(epoch: number): void {
    const { log, cell, timers, voter } = this.#options;
    if (this.#primary !== null) {
      if (this.#handingTo === null) this.#primary.gate.reopen();
      return;
    }
    if (this.#served) return;
    // Where the epoch is not stored, a restart waits until a lease that it may have given is over. Where
    // it is not that this place has written, the next primary's rows would replace what it acknowledges.
    if (!voter.save({ servedEpoch: epoch, wrote: true }) && voter.stored.wrote !== true) {
      return void timers.after(voter.stored.times.beaconMs, () => {
        if (!this.#ended && this.#driver.machine.serving) this.#serve(epoch);
      });
    }
    this.#served = true;
    log.info("primary of a store", { cell, epoch });
    const copy = this.#copy;
    this.#copy = null;
    if (copy === null) this.#options.serves(epoch);
    else copy.close(() => this.#options.serves(epoch));
  }

  #require(members: readonly MemberId[]): void {
    // Another place is the primary: that nobody is required any more acknowledges nothing.
    if (this.#driver.machine.isPrimary) this.#primary?.require(members);
    else this.#primary?.gate.close(ELSEWHERE);
  }

  /**
   * Before it asks to take over: what a former primary has acknowledged may be missing here. Where that
   * cannot be stored it must not: clients would go on with their cursors.
   */
  #asks({ primary }: Roles): boolean {
    const { member, voter } = this.#options;
    const before = this.registered?.roles ?? null;
    if (before === null || primary !== member || before.primary === member) return true;
    const hasAll = voter.stored.sync && before.inSync.includes(member);
    return hasAll || voter.stored.resets === true || voter.save({ resets: true });
  }

  #stop(): void {
    // What was begun before a handover is finished.
    if (this.#handingTo !== null && this.#driver.machine.isPrimary) return;
    this.#primary?.gate.close("the lease is over");
  }

  /** Looks whether it is the primary no more, or, where it follows nobody, will not be. */
  #stepped(): void {
    const { machine } = this.#driver;
    const { member, openCopy } = this.#options;
    if (this.#ended || machine.isPrimary) return;
    const primary = this.registered?.roles?.primary ?? member;
    const waits = !this.#served && (openCopy !== null || primary === member);
    if (waits) return;
    this.#ended = true;
    this.#primary?.gate.close(ELSEWHERE);
    const handedOver = this.#handingTo !== null;
    this.#reply(handedOver);
    // Messages that are part of this step leave first.
    this.#options.timers.soon(() => this.#options.lost(handedOver));
  }

  #send(to: MemberId, message: RoleMessage): void {
    const { cell, member, voter } = this.#options;
    // From now on another member may serve: it must not begin at once after a restart.
    const { resets = false, servedEpoch } = voter.stored;
    const served = message.kind === "answer" && (servedEpoch > 0 || resets);
    if (served && !voter.save({ servedEpoch: 0, resets: false })) return;
    const frame = { kind: "role", cell, from: member, to, message } as const;
    const peer = this.#heard.get(to);
    // Where it is not known which process has that copy, that one takes the message.
    if (peer === undefined) this.#tell(frame);
    else peer.send(frame);
  }

  #tell(frame: StandbyFrame): void {
    for (const peer of this.#options.linked()) peer.send(frame);
  }
}
