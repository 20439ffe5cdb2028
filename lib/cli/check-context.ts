import type { Settings, TcpHandling } from '../alg/index.js'
import { outputOf } from './command-output.js'

/** ok: nothing to do; warn: works, or may work, and something should be looked at; fail: `run` will not help calls. */
export type Level = 'ok' | 'warn' | 'fail'

export interface Finding {
  readonly level: Level
  /** What was looked at, a word or two. */
  readonly subject: string
  /** What is so. */
  readonly fact: string
  /** What to do about it; empty where there is nothing. */
  readonly todo: string
}

/** What the probes look at. Interfaces are empty where none were named. */
export interface CheckContext {
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  readonly ports: readonly number[]
  readonly queue: number
  readonly masquerade: boolean
  /** `none`: the mode translates nothing. */
  readonly translation: Settings['translation'] | 'none'
  readonly tcp: Settings['tcp']
  /** How the settings handle TCP; `whyNotOwn`: why connections of this machine's own would not go as packets do. */
  readonly handlingOf: (whyNotOwn: string | undefined) => TcpHandling
  /** Budget of TCP connections. */
  readonly connections: number
  readonly netns: string | undefined
  readonly socket: string
  /** Whether CAP_NET_ADMIN is there: the kernel may be asked. */
  readonly isPrivileged: boolean
}

export interface Probe {
  readonly subject: string
  /** Asks the kernel over netlink, so it needs CAP_NET_ADMIN. */
  readonly needsPrivilege: boolean
  /** What it throws becomes a `fail` with the error's sentence. Leaves nothing behind. */
  readonly look: (context: CheckContext) => Promise<Answer | Answer[]> | Answer | Answer[]
}

export type Answer = readonly [level: Level, fact: string, todo?: string]

/** A command's output in the context's network namespace; undefined where it cannot be had. */
export const commandOutput = ({ netns }: CheckContext, argv: readonly string[]): string | undefined =>
  outputOf(netns, argv)
