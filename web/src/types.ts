// What the API answers. docs/api.md and /v1/openapi.json say the same.

export type State = "stopped" | "starting" | "ready" | "stopping" | "unknown" | "failed";

export interface Target {
  name: string;
  groups?: string[];
  state: State;
  health: "asleep" | "waking" | "up" | "failing";
  since?: string;
  operation: string;
  operation_since?: string;
  expected?: number;
  address: string;
  listeners?: string[];
  held: number;
  waiting: number;
  visitors?: number;
  clients: number;
  cooldown: number;
  stop_at?: string;
  busy?: boolean;
  hold_until?: string;
  hold_why?: string;
  hold_by?: string;
  maintenance?: string;
  maintenance_why?: string;
  leaving?: boolean;
  error?: string;
  connections: number;
  starts: number;
  sent: number;
  received: number;
  cost?: { currency: string; per_hour: number };
}

export interface Status {
  version: string;
  now: string;
  started: string;
  history: boolean;
  targets: Target[];
}

export interface Fact {
  id: number;
  at: string;
  kind: string;
  target?: string;
  operation?: string;
  from?: string;
  to?: string;
  client?: string;
  error?: string;
  output?: string;
  times?: number;
  text: string;
}

export interface Interval { state: State; since: string; until: string }

export interface Row { name: string; intervals: Interval[]; arrivals: number[]; sent: number[]; received: number[] }

export interface Timeline { since: string; until: string; bin: number; targets: Row[] }

export interface Week { since: string; weeks: number; hours: number[][]; arrivals: number[][] }

export interface Start { at: string; target: string; seconds: number; ok: boolean }

export interface Connection {
  id: number; at: string; target: string; route: string; client: string; waited: number; lasted: number; sent: number; received: number;
  ended: string; error?: string; visited?: boolean;
}

export interface Day { day: string; observed: number; awake: number; starts: number; cost?: number; saved?: number; energy?: number }

export interface Summary {
  name: string; currency?: string; observed: number; awake: number; asleep: number; clients: number; refused: number; starts: number;
  failed_starts: number; waits: number; waited: number; longest_wait: number; cost?: number; always_on_cost?: number; saved?: number;
  energy?: number; energy_saved?: number; per_day: Day[];
}

export interface Savings {
  since: string; until: string; targets: Summary[];
  totals: { currency: string; cost: number; always_on_cost: number; saved: number }[];
  energy_saved?: number;
}

export interface Reason { text: string; at?: string; until?: string; client?: string }

export interface Why { target: string; state: string; now: Reason[]; wake: Reason[]; stay: Reason[]; refused: Reason[]; text: string }
