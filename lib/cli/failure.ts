import { CthelperError } from '../base/errors.js'

/** 0 done, 1 a check failed, 2 usage or configuration, 3 the kernel or permissions refused. */
export type ExitCode = 0 | 1 | 2 | 3

/** A command that cannot go on: one sentence that names what is wrong, where, and what to do, and the process's exit code. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: ExitCode

  constructor(exitCode: ExitCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

/** Wrong use of the command line or of the configuration. */
export const usage = (message: string): Failure => new Failure(2, message)

interface Remedy {
  readonly fits: (error: CthelperError) => boolean
  readonly exitCode: ExitCode
  readonly todo: string
}

const code = (...codes: readonly string[]) => ({
  fits: (error: CthelperError) => codes.includes(error.code),
})
const operation = (pattern: RegExp) => (error: CthelperError) => pattern.test(error.operation)

/** What to do about each kind of error of the library; the first row that fits. */
const remedies: readonly Remedy[] = [
  { ...code('ERR_CONFIG', 'ERR_ARGUMENT'), exitCode: 2, todo: '' },
  {
    fits: (error) => error.code === 'ERR_IN_USE' && operation(/queue/)(error),
    exitCode: 2,
    todo: 'end that program, or choose another number with --queue',
  },
  { ...code('ERR_IN_USE'), exitCode: 2, todo: '' },
  {
    ...code('ERR_PERMISSION'),
    exitCode: 3,
    todo: 'run as root, or with the capability CAP_NET_ADMIN (and CAP_SYS_ADMIN for --netns)',
  },
  {
    fits: (error) => error.code === 'ERR_UNSUPPORTED' && operation(/queue/)(error),
    exitCode: 3,
    todo: 'load nfnetlink_queue (modprobe nfnetlink_queue), or use a kernel that has it',
  },
  {
    fits: (error) => error.code === 'ERR_UNSUPPORTED' && operation(/NFT_|table/)(error),
    exitCode: 3,
    todo: 'load nf_tables (modprobe nf_tables), or use a kernel that has it',
  },
  {
    fits: (error) => error.code === 'ERR_UNSUPPORTED' && operation(/IPCTNL_|netlink socket/)(error),
    exitCode: 3,
    todo: 'load nf_conntrack_netlink (modprobe nf_conntrack_netlink), or use a kernel that has it',
  },
  { ...code('ERR_ADDON'), exitCode: 3, todo: '' },
]

/** Any thrown thing as a `Failure`. Errors of the library get their exit code and remedy from the table; others are ours: 3. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error
  if (!(error instanceof CthelperError)) return new Failure(3, `internal error: ${messageOf(error)}`, error)
  const remedy = remedies.find(({ fits }) => fits(error))
  if (!remedy) return new Failure(3, `${error.message}; \`cthelper check\` says what this kernel has`, error)
  return new Failure(remedy.exitCode, remedy.todo ? `${error.message}; ${remedy.todo}` : error.message, error)
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** `code` of a Node system error (`ENOENT`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}
