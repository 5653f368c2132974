/**
 * Types of the parts of config.json (runtime-spec, config.md) that the tests set.
 */
import { fixture } from "./environment.js";

export interface Mount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
}

export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

export interface Hook {
  path: string;
  args?: string[];
  env?: string[];
  timeout?: number;
}

export type HookName = "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";

export interface Capabilities {
  bounding?: string[];
  effective?: string[];
  permitted?: string[];
  inheritable?: string[];
  ambient?: string[];
}

export interface Process {
  terminal?: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; umask?: number; additionalGids?: number[] };
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: Capabilities;
  rlimits?: { type: string; hard: number | bigint; soft: number | bigint }[];
  oomScoreAdj?: number;
  noNewPrivileges?: boolean;
  apparmorProfile?: string;
  selinuxLabel?: string;
  scheduler?: { policy: string } & Partial<Record<"nice" | "priority" | "runtime" | "deadline" | "period", number>> & { flags?: string[] };
  ioPriority?: { class: string; priority?: number };
  execCPUAffinity?: { initial?: string; final?: string };
}

export interface Namespace {
  type: string;
  path?: string;
}

export interface Device {
  type: string;
  path: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export interface DeviceRule {
  allow: boolean;
  type?: string;
  major?: number;
  minor?: number;
  access: string;
}

export interface Resources {
  devices?: DeviceRule[];
  memory?: Record<string, number | boolean>;
  cpu?: Record<string, number | string>;
  pids?: { limit: number };
  blockIO?: Record<string, unknown>;
  hugepageLimits?: { pageSize: string; limit: number }[];
  network?: Record<string, unknown>;
  rdma?: Record<string, unknown>;
  unified?: Record<string, string>;
}

export interface SeccompArg {
  index: number;
  value: number | bigint;
  valueTwo?: number | bigint;
  op: string;
}

export interface Seccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: { names: string[]; action: string; errnoRet?: number; args?: SeccompArg[] }[];
}

export interface Linux {
  namespaces: Namespace[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  devices?: Device[];
  cgroupsPath?: string;
  resources: Resources;
  rootfsPropagation?: string;
  maskedPaths?: string[];
  readonlyPaths?: string[];
  sysctl?: Record<string, string>;
  seccomp?: Seccomp;
  netDevices?: Record<string, { name?: string }>;
  mountLabel?: string;
  personality?: { domain?: string; flags?: string[] };
  memoryPolicy?: { mode?: string; nodes?: string; flags?: string[] };
  timeOffsets?: { monotonic?: ClockOffset; boottime?: ClockOffset };
}

export interface ClockOffset {
  secs?: number;
  nanosecs?: number;
}

export interface Config {
  ociVersion: string;
  process: Process;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  linux: Linux;
  hooks?: Partial<Record<HookName, Hook[]>>;
  annotations?: Record<string, string>;
}

/** The output of `spec`, but without a terminal and with a writable root. */
export function defaultConfig(): Config {
  return JSON.parse(fixture("config/default.json")) as Config;
}

/** Like JSON.stringify, but a bigint becomes a number with all its digits, for values such as 2^64-1. */
export function toJson(value: unknown): string {
  const marked = JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? `@@${item}@@` : item), 2);
  return marked.replaceAll(/"@@(\d+)@@"/g, "$1");
}

/** Removes the namespaces of these types. */
export function withoutNamespaces(config: Config, ...types: string[]): void {
  config.linux.namespaces = config.linux.namespaces.filter(({ type }) => !types.includes(type));
  if (types.includes("uts")) delete config.hostname;
}

/** Adds or replaces a namespace: a new one, or the one at `path`. */
export function setNamespace(config: Config, type: string, path?: string): void {
  config.linux.namespaces = config.linux.namespaces.filter((namespace) => namespace.type !== type);
  config.linux.namespaces.push(path === undefined ? { type } : { type, path });
}
